//! One attempt to reach someone: connect, ask, wait until the deadline, say what came of it.

use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::serve::DATAGRAM;
use crate::serve::invalid;
use crate::verdict::Verdict;

/// How long an attempt waits unless told otherwise, in milliseconds.
pub(crate) const DEADLINE_MS: &str = "1500";

/// Longest text of a server that is read.
const BANNER: u64 = 4096;

/// How long a server whose connection stands may take to speak first; many never do.
const SILENCE: Duration = Duration::from_secs(1);

/// Makes many attempts at once: `tcp/IP:PORT`, `udp/IP:PORT`, `http/IP:PORT/PATH`, `dns/IP:PORT/NAME`. Prints a
/// line for each, in their order.
pub(crate) async fn many(ms: &str, targets: &[&str]) -> io::Result<()> {
    let mut attempts = Vec::new();
    for target in targets {
        let (how, rest) = target.split_once('/').ok_or_else(|| invalid("TARGET", target, &"no `/`"))?;
        let (place, what) = rest.split_once('/').unwrap_or((rest, ""));
        let place: SocketAddr = place.parse().map_err(|error| invalid("IP:PORT", place, &error))?;
        let words = [place.ip().to_string(), place.port().to_string(), format!("/{what}"), ms.to_owned()];
        attempts.push(match how {
            "tcp" => tokio::spawn(async move { tcp(&words[0], &words[1], &words[3]).await }),
            "udp" => tokio::spawn(async move { udp(&words[0], &words[1], &words[3]).await }),
            "http" => tokio::spawn(async move { http(&words[0], &words[1], &words[2], &words[3]).await }),
            "dns" => tokio::spawn(async move { dns(&words[0], &words[1], &words[2][1..], &words[3]).await }),
            _ => return Err(invalid("TARGET", target, &"not tcp, udp, http or dns")),
        });
    }
    for attempt in attempts {
        attempt.await.map_err(io::Error::other)?.print();
    }
    Ok(())
}

/// Connects and reads what the server says first. A server that says nothing is still open: the connection
/// stood.
pub(crate) async fn tcp(ip: &str, port: &str, ms: &str) -> Verdict {
    attempt(ip, port, ms, |target, deadline| async move { talk(target, "", deadline).await }).await
}

/// Sends one datagram and waits for the answer. Silence is `BLOCKED`: over UDP it says no more than that.
pub(crate) async fn udp(ip: &str, port: &str, ms: &str) -> Verdict {
    attempt(ip, port, ms, |target, deadline| async move {
        let answer = timeout(deadline, ask(target, b"ringfence?")).await.map_err(io::Error::from)??;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
    .await
}

/// Asks an HTTP server for a page: status line, then the last line of the answer.
pub(crate) async fn http(ip: &str, port: &str, path: &str, ms: &str) -> Verdict {
    let question = format!("GET {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n");
    attempt(ip, port, ms, |target, deadline| async move {
        let answer = talk(target, &question, deadline).await?;
        let (first, last) = (answer.lines().next().unwrap_or(""), answer.lines().last().unwrap_or(""));
        Ok(format!("{first} {last}"))
    })
    .await
}

/// Asks a DNS server for the IPv4 and IPv6 addresses of a name over UDP.
pub(crate) async fn dns(ip: &str, port: &str, name: &str, ms: &str) -> Verdict {
    let question = match crate::dns::question(name) {
        Ok(question) => question,
        Err(error) => return Verdict::Usage(error.to_string()),
    };
    attempt(ip, port, ms, |target, deadline| async move {
        let answer = timeout(deadline, ask(target, &question)).await.map_err(io::Error::from)??;
        crate::dns::addresses(&question, &answer)
    })
    .await
}

async fn attempt<F, T>(ip: &str, port: &str, ms: &str, how: F) -> Verdict
where
    F: FnOnce(SocketAddr, Duration) -> T,
    T: Future<Output = io::Result<String>>,
{
    match target(ip, port, ms) {
        Err(error) => Verdict::Usage(error.to_string()),
        Ok((target, deadline)) => match how(target, deadline).await {
            Ok(text) => Verdict::Open(text),
            Err(error) => Verdict::of(&error),
        },
    }
}

fn target(ip: &str, port: &str, ms: &str) -> io::Result<(SocketAddr, Duration)> {
    let address: IpAddr = ip.parse().map_err(|error| invalid("IP", ip, &error))?;
    let port: u16 = port.parse().map_err(|error| invalid("PORT", port, &error))?;
    let ms: u64 = ms.parse().map_err(|error| invalid("MS", ms, &error))?;
    Ok((SocketAddr::new(address, port), Duration::from_millis(ms)))
}

/// Connects within the deadline, says `question`, reads up to its end, `BANNER` bytes or the deadline.
async fn talk(target: SocketAddr, question: &str, deadline: Duration) -> io::Result<String> {
    let mut stream = timeout(deadline, TcpStream::connect(target)).await.map_err(io::Error::from)??;
    stream.write_all(question.as_bytes()).await?;
    let mut said = Vec::new();
    // An error after the connection stood does not unmake it.
    let patience = if question.is_empty() { SILENCE.min(deadline) } else { deadline };
    let _ = timeout(patience, (&mut stream).take(BANNER).read_to_end(&mut said)).await;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

async fn ask(target: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Connected, so that an ICMP error reaches us, and a stranger's datagram does not.
    socket.connect(target).await?;
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One runtime per test: a server in the background, an attempt in the foreground.
    fn on_runtime<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn an_open_port_gives_its_banner_and_a_closed_one_is_refused() {
        on_runtime(async {
            let listener = crate::serve::listen("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            let server = tokio::spawn(crate::serve::greet(listener, "hello".into()));
            assert_eq!(tcp("127.0.0.1", &port, "1000").await, Verdict::Open("hello\n".into()));
            server.abort();
            assert!(server.await.unwrap_err().is_cancelled());
            let closed = tcp("127.0.0.1", &port, "1000").await;
            assert!(matches!(closed, Verdict::Refused(_)), "{closed:?}");
        });
    }

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_open() {
        on_runtime(async {
            let listener = crate::serve::listen("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port().to_string();
            assert_eq!(tcp("127.0.0.1", &port, "100").await, Verdict::Open(String::new()));
        });
    }

    #[test]
    fn a_datagram_without_answer_is_blocked_and_one_to_a_closed_port_refused() {
        on_runtime(async {
            let silent = crate::serve::bind("127.0.0.1:0").await.unwrap();
            let port = silent.local_addr().unwrap().port().to_string();
            assert_eq!(udp("127.0.0.1", &port, "100").await, Verdict::Blocked);
            drop(silent);
            let closed = udp("127.0.0.1", &port, "1000").await;
            assert!(matches!(closed, Verdict::Refused(_)), "{closed:?}");
        });
    }

    #[test]
    fn a_name_is_no_address() {
        let verdict = on_runtime(tcp("example.com", "80", "100"));
        assert!(matches!(&verdict, Verdict::Usage(text) if text.contains("example.com")), "{verdict:?}");
    }
}
