//! A DNS server of fixed records over UDP and TCP (RFC 1035, AAAA of RFC 3596), and the question that goes
//! with it. Enough to see whether DNS gets through a policy; no recursion, no compression of its own.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::serve;
use crate::serve::invalid;
use crate::verdict::say;

const A: u16 = 1;
const AAAA: u16 = 28;
/// Header of a message: id, flags, four counts.
const HEADER: usize = 12;
const PATIENCE: Duration = Duration::from_secs(10);

type Records = BTreeMap<String, Vec<IpAddr>>;

/// Answers for the `NAME=IP` records at `place` until a listener fails.
pub(crate) async fn serve(place: &str, records: &[&str]) -> io::Result<()> {
    let mut known = Records::new();
    for record in records {
        let (name, ip) = record.split_once('=').ok_or_else(|| invalid("NAME=IP", record, &"no `=`"))?;
        let ip: IpAddr = ip.parse().map_err(|error| invalid("NAME=IP", record, &error))?;
        known.entry(name.to_ascii_lowercase()).or_default().push(ip);
    }
    let known = Arc::new(known);
    tokio::try_join!(
        over_udp(serve::bind(place).await?, Arc::clone(&known)),
        over_tcp(serve::listen(place).await?, known)
    )?;
    Ok(())
}

async fn over_udp(socket: UdpSocket, known: Arc<Records>) -> io::Result<()> {
    let mut buffer = vec![0; serve::DATAGRAM];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = buffer.get(..length).and_then(|question| answer(question, &known)) {
            say(&format!("dns udp from {from}"));
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn over_tcp(listener: TcpListener, known: Arc<Records>) -> io::Result<()> {
    loop {
        let Ok((mut stream, from)) = listener.accept().await else { continue };
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            say(&format!("dns tcp from {from}"));
            let _ = timeout(PATIENCE, one_over_tcp(&mut stream, &known)).await;
        });
    }
}

/// Over TCP each message has its length before it, two bytes.
async fn one_over_tcp(stream: &mut TcpStream, known: &Records) -> io::Result<()> {
    let length = stream.read_u16().await?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await?;
    if let Some(answer) = answer(&question, known) {
        stream.write_u16(u16::try_from(answer.len()).unwrap_or(u16::MAX)).await?;
        stream.write_all(&answer).await?;
    }
    stream.shutdown().await
}

/// The answer to a message with one question; `None` for bytes that are none.
fn answer(message: &[u8], known: &Records) -> Option<Vec<u8>> {
    let (name, kind, end) = asked(message)?;
    let records = known.get(&name);
    let matching: Vec<Vec<u8>> = records
        .into_iter()
        .flatten()
        .filter_map(|ip| match (ip, kind) {
            (IpAddr::V4(ip), A) => Some(ip.octets().to_vec()),
            (IpAddr::V6(ip), AAAA) => Some(ip.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut out = message.get(..2)?.to_vec();
    out.extend([0x84, if records.is_some() { 0 } else { 3 }]); // answer, authoritative; no error or NXDOMAIN
    for count in [1, u16::try_from(matching.len()).ok()?, 0, 0] {
        out.extend(count.to_be_bytes());
    }
    out.extend(message.get(HEADER..end)?);
    for data in matching {
        out.extend([0xc0, 12]); // the name: a pointer to byte 12, the question
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 5, 0, u8::try_from(data.len()).ok()?]); // class IN, 5 s, length
        out.extend(data);
    }
    Some(out)
}

/// Name, type and end of the question of a message that has exactly one.
fn asked(message: &[u8]) -> Option<(String, u16, usize)> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let (mut name, mut at) = (String::new(), HEADER);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => {
                let label = message.get(at..at + length)?;
                let dot = if name.is_empty() { "" } else { "." };
                name = format!("{name}{dot}{}", String::from_utf8_lossy(label).to_ascii_lowercase());
                at += length;
            }
            _ => return None, // a pointer has no place in a question
        }
    }
    let kind = message.get(at..at + 2)?;
    Some((name, u16::from_be_bytes([kind[0], kind[1]]), at + 4))
}

/// A question for the IPv4 addresses of `name`.
pub(crate) fn question(name: &str) -> io::Result<Vec<u8>> {
    let mut out = vec![0x52, 0x46, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]; // id, recursion desired, one question
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length));
        out.push(length.ok_or_else(|| invalid("NAME", name, &"a label has 1 to 63 bytes"))?);
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]); // end of name, A, IN
    Ok(out)
}

/// The addresses in an answer of [`answer`]'s shape, or what the server said instead.
pub(crate) fn addresses(question: &[u8], answer: &[u8]) -> io::Result<String> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "the answer is no answer to the question");
    if answer.get(..2) != question.get(..2) || answer.get(2).is_none_or(|flags| flags & 0x80 == 0) {
        return Err(broken());
    }
    let code = answer.get(3).ok_or_else(broken)? & 0x0f;
    if code != 0 {
        return Ok(format!("code {code}"));
    }
    let records = answer.get(question.len()..).ok_or_else(broken)?.chunks_exact(16);
    let addresses = records.filter_map(|record| match record {
        [.., 0, 4, a, b, c, d] => Some(IpAddr::from(Ipv4Addr::new(*a, *b, *c, *d)).to_string()),
        _ => None,
    });
    Ok(addresses.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn known() -> Records {
        let ips = vec![IpAddr::from([192, 0, 2, 7]), IpAddr::from(Ipv6Addr::LOCALHOST)];
        BTreeMap::from([("models.example".to_owned(), ips)])
    }

    #[test]
    fn a_known_name_gets_its_addresses_of_the_asked_family() {
        let question = question("Models.Example").unwrap();
        let reply = answer(&question, &known()).unwrap();
        assert_eq!(addresses(&question, &reply).unwrap(), "192.0.2.7");
        let mut six = question.clone();
        let end = six.len();
        six[end - 3] = 28;
        let reply = answer(&six, &known()).unwrap();
        assert!(reply.ends_with(&Ipv6Addr::LOCALHOST.octets()), "{reply:?}");
        assert_eq!(reply[7], 1, "one answer");
    }

    #[test]
    fn an_unknown_name_gets_nxdomain() {
        let question = question("other.example").unwrap();
        assert_eq!(addresses(&question, &answer(&question, &known()).unwrap()).unwrap(), "code 3");
    }

    #[test]
    fn no_prefix_of_a_question_is_answered() {
        let question = question("models.example").unwrap();
        for end in 0..question.len() - 4 {
            assert_eq!(answer(&question[..end], &known()), None, "{end}");
        }
    }

    #[test]
    fn a_label_too_long_is_no_name() {
        assert!(question(&"a".repeat(64)).is_err());
        assert!(question("a..b").is_err());
    }
}
