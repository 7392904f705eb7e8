//! The words between a lab's supervisor and others: one JSON line asks, one JSON line answers, over a Unix
//! socket in the lab's folder.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::component::Component;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;

/// Longest question.
const LONGEST: u64 = 4096;

/// What a supervisor is asked to do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Request {
    /// Tell phase, processes and what they use.
    Status,
    /// Kill a component at once, as a crash would.
    Kill(Component),
    /// End a component, start it anew and wait until it works.
    Restart(Component),
    /// End the lab and remove it.
    Stop,
}

/// What it answers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// Done; the value depends on the question.
    Ok(Value),
    /// Not done, and why.
    Error(String),
}

/// Asks a supervisor and waits for its answer.
pub(crate) fn ask(home: &Home, request: Request, patience: Duration) -> Result<Value> {
    let socket = home.control_socket();
    let exchange = || {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(serde_json::to_string(&request)?.as_bytes())?;
        stream.write_all(b"\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = exchange().map_err(Error::io(format!("supervisor of {}", home.name())))?;
    match serde_json::from_str(&line) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Error(message)) => Err(Error::other(message)),
        Err(_) => Err(Error::other(format!("the supervisor of {} ended without an answer", home.name()))),
    }
}

/// A question whose asker waits.
pub(crate) struct Asked {
    pub(crate) request: Request,
    stream: tokio::net::UnixStream,
}

impl Asked {
    /// Answers. An asker that is gone is no error.
    pub(crate) async fn answer(mut self, answer: Result<Value>) {
        let answer = answer.map_or_else(|error| Answer::Error(error.to_string()), Answer::Ok);
        let mut line = serde_json::to_vec(&answer).unwrap_or_default();
        line.push(b'\n');
        let _ = tokio::time::timeout(Duration::from_secs(5), self.stream.write_all(&line)).await;
    }
}

/// Listens for questions until the runtime ends.
pub(crate) fn listen(home: &Home, inbox: mpsc::Sender<Asked>) -> Result<()> {
    let path = home.control_socket();
    let listener = UnixListener::bind(&path).map_err(Error::at(&path))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(read(stream, inbox.clone()));
        }
    });
    Ok(())
}

/// One question per connection.
async fn read(mut stream: tokio::net::UnixStream, inbox: mpsc::Sender<Asked>) {
    let mut line = String::new();
    let limited = (&mut stream).take(LONGEST);
    let _ = tokio::io::BufReader::new(limited).read_line(&mut line).await;
    if line.is_empty() {
        return;
    }
    match serde_json::from_str(&line) {
        Ok(request) => {
            let _ = inbox.send(Asked { request, stream }).await;
        }
        Err(error) => {
            let answer = Answer::Error(format!("no question of the lab: {error}"));
            let _ = stream.write_all(&serde_json::to_vec(&answer).unwrap_or_default()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Temporary;

    #[test]
    fn questions_are_short_json_lines() {
        let line = |request| serde_json::to_string(&request).unwrap();
        assert_eq!(line(Request::Stop), r#""stop""#);
        assert_eq!(line(Request::Kill(Component::Etcd)), r#"{"kill":"etcd"}"#);
        let read: Request = serde_json::from_str(r#"{"restart":"kube-apiserver"}"#).unwrap();
        assert_eq!(read, Request::Restart(Component::ApiServer));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_question_gets_its_answer_and_nonsense_a_reason() {
        let home = Temporary::new();
        let (sender, mut inbox) = mpsc::channel(1);
        listen(&home, sender).unwrap();
        let asking = std::thread::spawn({
            let home = home.clone();
            move || ask(&home, Request::Status, Duration::from_secs(10))
        });
        let asked = inbox.recv().await.unwrap();
        assert_eq!(asked.request, Request::Status);
        asked.answer(Err(Error::other("not now"))).await;
        assert_eq!(asking.join().unwrap().unwrap_err().to_string(), "not now");

        let mut stream = UnixStream::connect(home.control_socket()).unwrap();
        stream.write_all(b"{\"launch\":1}\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("no question of the lab"), "{answer}");
    }
}
