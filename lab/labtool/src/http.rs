//! The smallest HTTP/1.1 server that a client can be told apart by: fixed pages, one request per connection.
//! `/v2/` makes it a registry, `/latest/meta-data/` a metadata address.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::serve::invalid;
use crate::serve::listen;
use crate::verdict::say;

/// Longest request head, and how long a client may take to send it.
const HEAD: usize = 8192;
const PATIENCE: Duration = Duration::from_secs(10);

type Pages = BTreeMap<String, String>;

/// Serves `PATH=BODY` pages at `place`.
pub(crate) async fn serve(place: &str, pages: &[&str]) -> io::Result<()> {
    let pages = Arc::new(pages.iter().map(|page| parse(page)).collect::<io::Result<Pages>>()?);
    let listener = listen(place).await?;
    loop {
        let Ok((mut stream, from)) = listener.accept().await else { continue };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let Ok(Some(path)) = timeout(PATIENCE, path(&mut stream)).await else { return };
            say(&format!("http {path} from {from}"));
            // A client that leaves early gets no answer; the log has its visit.
            let _ = stream.write_all(answer(pages.get(&path)).as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

fn parse(page: &str) -> io::Result<(String, String)> {
    let (path, body) = page.split_once('=').ok_or_else(|| invalid("PATH=BODY", page, &"no `=`"))?;
    Ok((path.to_owned(), body.to_owned()))
}

/// The path asked for; `None` for what is no request of at most [`HEAD`] bytes.
async fn path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        if head.len() >= HEAD || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.lines().next()?.split(' ').nth(1).map(|path| path.chars().filter(|c| !c.is_control()).collect())
}

fn answer(body: Option<&String>) -> String {
    let (status, body) = body.map_or(("404 Not Found", "no such page"), |body| ("200 OK", body.as_str()));
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_page_is_answered_and_an_unknown_one_is_not_found() {
        let body = "{}".to_owned();
        assert!(answer(Some(&body)).starts_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"));
        assert!(answer(Some(&body)).ends_with("\r\n\r\n{}"));
        assert!(answer(None).starts_with("HTTP/1.1 404 Not Found\r\n"));
    }

    #[test]
    fn a_page_without_a_body_is_refused_at_start() {
        assert_eq!(parse("/v2/={}").unwrap(), ("/v2/".to_owned(), "{}".to_owned()));
        assert_eq!(parse("/v2/").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
