//! Room `inventory`, live: one GET -> its answer, piece by piece. Retries, waits and limits stand here; nothing but GET
//! is ever sent.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;

use super::access::Ask;
use super::connect::Way;
use super::error::ClusterError;
use super::error::chain;
use super::refusal;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::read_json;

/// Attempts at one request that the server or the network fails.
const ATTEMPTS: u32 = 5;
/// Wait after the first failure; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(250);
/// Longest wait that a server's `Retry-After` is followed.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// Bytes of an error's body that are read.
const MAX_ERROR: usize = 64 << 10;

/// Why a request gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 403, with the server's words.
    Forbidden(String),
    /// 404
    NotFound,
    /// 410, with the token to go on with an inconsistent rest.
    Gone(Option<String>),
    /// Anything else that the server said, after all attempts.
    Status(u16, String),
    /// The connection or the body broke, after all attempts.
    Broken(String),
    /// The time for everything is over.
    Late,
    /// Nothing more can be asked at all.
    Fatal(ClusterError),
}

impl Failure {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Forbidden(words) | Self::Broken(words) => words.clone(),
            Self::NotFound => "the server does not know the resource (404)".to_owned(),
            Self::Gone(_) => "the list expired while it was read (410)".to_owned(),
            Self::Status(status, words) => format!("{status} {words}"),
            Self::Late => "the time limit was over".to_owned(),
            Self::Fatal(error) => error.to_string(),
        }
    }
}

/// Talks to one API server.
#[derive(Debug)]
pub(super) struct Session {
    way: Way,
    user_agent: String,
    silence: Duration,
    end: Instant,
    client: Mutex<Held>,
    date: OnceLock<String>,
}

/// The client in use, and how often its credential was renewed.
struct Held {
    client: Client,
    renewed: u32,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("renewed", &self.renewed).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn open(way: Way, ask: &Ask) -> Result<Arc<Self>, ClusterError> {
        let client = Mutex::new(Held { client: way.client()?, renewed: 0 });
        let now = Instant::now();
        let end = now.checked_add(ask.deadline).unwrap_or(now);
        let date = OnceLock::new();
        Ok(Arc::new(Self {
            way,
            user_agent: ask.user_agent.clone(),
            silence: ask.silence,
            end,
            client,
            date,
        }))
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// The server's clock at its first answer.
    pub(super) fn date(&self) -> Option<String> {
        self.date.get().cloned()
    }

    /// One answer as JSON, whole.
    pub(super) async fn json(&self, path: &str, accept: &str, limit: usize) -> Result<Tree, Failure> {
        let mut bytes = Vec::new();
        let mut answer = self.get(path, accept).await?;
        while let Some(piece) = answer.next().await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > limit {
                return Err(Failure::Broken(format!("an answer of more than {limit} bytes to {path}")));
            }
        }
        let broken = |words: &str| Failure::Broken(format!("the answer to {path} {words}"));
        let text = String::from_utf8(bytes).map_err(|_| broken("is not UTF-8"))?;
        match read_json(&text) {
            Ok(Some((tree, _))) => Ok(tree),
            Ok(None) => Err(broken("is empty")),
            Err(error) => Err(broken(&format!("is not JSON: {error}"))),
        }
    }

    /// Sends one GET; retries what may pass.
    pub(super) async fn get(&self, path: &str, accept: &str) -> Result<Answer<'_>, Failure> {
        let mut attempt = 0_u32;
        let mut asked_again = false;
        loop {
            if Instant::now() >= self.end {
                return Err(Failure::Late);
            }
            attempt = attempt.saturating_add(1);
            let (client, renewed) = self.client();
            let failure = match self.send(&client, path, accept).await {
                Ok(answer) => return Ok(answer),
                Err(Sent::Unauthorized(words)) if self.way.can_renew() && !asked_again => {
                    asked_again = true;
                    self.renew(renewed, &words)?;
                    continue;
                }
                Err(Sent::Unauthorized(words)) => {
                    let words = refusal::unauthorized(&self.way, &words);
                    return Err(Failure::Fatal(ClusterError::Unauthorized(words)));
                }
                Err(Sent::Final(failure)) => return Err(failure),
                Err(Sent::Again(failure, wait)) => (failure, wait),
            };
            let (failure, wait) = failure;
            // A server that says when to come back is asked as long as there is time.
            if attempt >= ATTEMPTS && wait.is_none() {
                return Err(failure);
            }
            let doubled = BACK_OFF.saturating_mul(1_u32 << attempt.saturating_sub(1).min(6));
            self.pause(wait.unwrap_or(doubled).min(MAX_WAIT)).await?;
        }
    }

    fn client(&self) -> (Client, u32) {
        let held = self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (held.client.clone(), held.renewed)
    }

    /// Runs the plugin again, unless another list has done so since.
    fn renew(&self, seen: u32, words: &str) -> Result<(), Failure> {
        let mut held = self.client.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if held.renewed != seen {
            return Ok(());
        }
        let client = self.way.client().map_err(|error| match error {
            ClusterError::Plugin(plugin) => Failure::Fatal(ClusterError::Plugin(format!(
                "{plugin} (asked again, since the server said: {words})"
            ))),
            other => Failure::Fatal(other),
        })?;
        *held = Held { client, renewed: seen.saturating_add(1) };
        Ok(())
    }

    async fn pause(&self, wait: Duration) -> Result<(), Failure> {
        let until = Instant::now().checked_add(wait).unwrap_or(self.end);
        if until >= self.end {
            return Err(Failure::Late);
        }
        sleep(wait).await;
        Ok(())
    }

    /// The end of the present wait, and whether it is that of everything.
    fn patience(&self) -> (Instant, bool) {
        let silence = Instant::now().checked_add(self.silence).unwrap_or(self.end);
        if silence < self.end { (silence, false) } else { (self.end, true) }
    }

    async fn send(&self, client: &Client, path: &str, accept: &str) -> Result<Answer<'_>, Sent> {
        let request = Request::get(path)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, &self.user_agent)
            .body(Body::empty())
            .map_err(|error| Sent::Final(Failure::Broken(format!("{path}: {error}"))))?;
        let (patience, is_end) = self.patience();
        let response = match timeout_at(patience, client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unsent(&error)),
            Err(_) if is_end => return Err(Sent::Final(Failure::Late)),
            Err(_) => {
                let words = format!("no answer in {} s", self.silence.as_secs());
                return Err(Sent::Again(Failure::Broken(words), None));
            }
        };
        self.note_date(response.headers());
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let mut answer = Answer { session: self, body: response.into_body() };
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let body = answer.error_body().await;
        let told = said(&body);
        Err(match status {
            StatusCode::UNAUTHORIZED => Sent::Unauthorized(told),
            StatusCode::FORBIDDEN => Sent::Final(Failure::Forbidden(told)),
            StatusCode::NOT_FOUND => Sent::Final(Failure::NotFound),
            StatusCode::GONE => Sent::Final(Failure::Gone(token(&body))),
            StatusCode::TOO_MANY_REQUESTS => {
                Sent::Again(Failure::Status(429, told), Some(wait.unwrap_or(Duration::from_secs(1))))
            }
            status if status.is_server_error() => Sent::Again(Failure::Status(status.as_u16(), told), None),
            status => Sent::Final(Failure::Status(status.as_u16(), told)),
        })
    }

    fn note_date(&self, headers: &HeaderMap) {
        if let Some(date) = headers.get(header::DATE).and_then(|date| date.to_str().ok()) {
            self.date.get_or_init(|| date.to_owned());
        }
    }

    /// What a connection that was not made means: what will not change by itself is not tried again.
    fn unsent(&self, error: &kube::Error) -> Sent {
        match refusal::connection(&self.way, &chain(error)) {
            Ok(words) => Sent::Again(Failure::Broken(words), None),
            Err(fatal) => Sent::Final(Failure::Fatal(fatal)),
        }
    }
}

/// Result of one attempt.
enum Sent {
    Unauthorized(String),
    Final(Failure),
    Again(Failure, Option<Duration>),
}

/// An answer whose body is still coming.
pub(super) struct Answer<'s> {
    session: &'s Session,
    body: Body,
}

impl Answer<'_> {
    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<impl std::ops::Deref<Target = [u8]>>, Failure> {
        loop {
            let (patience, is_end) = self.session.patience();
            match timeout_at(patience, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(Failure::Broken(format!("the answer broke off: {}", chain(&error))));
                }
                Err(_) if is_end => return Err(Failure::Late),
                Err(_) => {
                    let seconds = self.session.silence.as_secs();
                    return Err(Failure::Broken(format!("the answer stopped for {seconds} s")));
                }
            }
        }
    }

    /// The beginning of an error's body; what cannot be read is not needed.
    async fn error_body(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = self.next().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_ERROR {
                break;
            }
        }
        bytes.truncate(MAX_ERROR);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The message of a `Status`, else the beginning of the text.
fn said(body: &str) -> String {
    let message = match read_json(body) {
        Ok(Some((tree, _))) => tree.root().get("message").and_then(Value::text).map(str::to_owned),
        _ => None,
    };
    let text = message.unwrap_or_else(|| body.to_owned());
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

/// `metadata.continue` of a 410.
fn token(body: &str) -> Option<String> {
    let (tree, _) = read_json(body).ok().flatten()?;
    let token = tree.root().at(&["metadata", "continue"])?.text()?;
    (!token.is_empty()).then(|| token.to_owned())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
