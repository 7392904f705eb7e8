//! Clients that do not do as they are told: one whose process dies at a write, one whose connection is cut, one that is
//! answered by somebody on the way.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch;

/// A process that dies at a write: the API server gets it, the answer meets nobody, and nothing is sent after it.
pub(crate) struct Mortal {
    inner: Client,
    at: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    is_dead: Arc<AtomicBool>,
}

impl Mortal {
    /// It lives until it is told when to die.
    pub(crate) fn new(inner: Client) -> Self {
        let (begun, open, is_dead) = Default::default();
        Self { inner, at: Arc::new(AtomicUsize::new(usize::MAX)), begun, open, is_dead }
    }

    /// Its write number `at` from now on, from 1, is the last. The lease and questions who it is are no writes.
    pub(crate) fn dies_at(&self, at: usize) {
        self.at.store(self.begun.load(Ordering::SeqCst) + at, Ordering::SeqCst);
    }

    /// Whether its last write is on its way.
    pub(crate) fn is_dying(&self) -> bool {
        self.begun.load(Ordering::SeqCst) >= self.at.load(Ordering::SeqCst)
    }

    /// Whether it died, and what it had sent before was answered.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst) && self.open.load(Ordering::SeqCst) == 0
    }

    /// Its client.
    pub(crate) fn client(&self) -> Client {
        let inner = self.inner.clone();
        let (at, begun) = (self.at.clone(), self.begun.clone());
        let (open, is_dead) = (self.open.clone(), self.is_dead.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            let number = if is_write(&request) { begun.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
            let (at, open, is_dead) = (at.load(Ordering::SeqCst), open.clone(), is_dead.clone());
            async move {
                if number > at || is_dead.load(Ordering::SeqCst) {
                    return std::future::pending().await;
                }
                let counts = usize::from(number > 0);
                open.fetch_add(counts, Ordering::SeqCst);
                let answer = inner.send(request).await;
                if number == at {
                    is_dead.store(true, Ordering::SeqCst);
                }
                open.fetch_sub(counts, Ordering::SeqCst);
                if number == at {
                    return std::future::pending().await;
                }
                answer
            }
        });
        Client::new(service, "default")
    }
}

/// A connection that can be cut: requests wait until it is whole again.
pub(crate) struct Switch {
    inner: Client,
    is_on: watch::Sender<bool>,
}

impl Switch {
    /// Whole.
    pub(crate) fn new(inner: Client) -> Self {
        Self { inner, is_on: watch::Sender::new(true) }
    }

    /// Cuts it or makes it whole.
    pub(crate) fn set(&self, is_on: bool) {
        self.is_on.send_replace(is_on);
    }

    /// Its client.
    pub(crate) fn client(&self) -> Client {
        let (inner, is_on) = (self.inner.clone(), self.is_on.subscribe());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (inner, mut is_on) = (inner.clone(), is_on.clone());
            async move {
                if is_on.wait_for(|it| *it).await.is_err() {
                    return std::future::pending().await;
                }
                inner.send(request).await
            }
        });
        Client::new(service, "default")
    }
}

/// Somebody on the way who answers some requests himself.
pub(crate) struct Liar {
    inner: Client,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// To which requests, and what: a `Status` of the API server.
#[derive(Clone)]
struct Answer {
    method: Method,
    path: &'static str,
    status: Value,
}

impl Liar {
    /// Everything passes.
    pub(crate) fn new(inner: Client) -> Self {
        Self { inner, answer: Arc::new(Mutex::new(None)) }
    }

    /// Answers requests of this method whose path contains `path` with this `Status`.
    pub(crate) fn lies(&self, method: Method, path: &'static str, status: Value) {
        *self.answer.lock().unwrap() = Some(Answer { method, path, status });
    }

    /// Lets everything pass.
    pub(crate) fn stops(&self) {
        *self.answer.lock().unwrap() = None;
    }

    /// Its client.
    pub(crate) fn client(&self) -> Client {
        let (inner, answer) = (self.inner.clone(), self.answer.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = answer.lock().unwrap().clone();
            let answer =
                answer.filter(|it| request.method() == it.method && request.uri().path().contains(it.path));
            let inner = inner.clone();
            async move {
                let Some(answer) = answer else { return inner.send(request).await };
                let code = answer.status["code"].as_u64().unwrap().try_into().unwrap();
                let body = Body::from(answer.status.to_string().into_bytes());
                Ok(Response::builder()
                    .status(StatusCode::from_u16(code).unwrap())
                    .header("Content-Type", "application/json")
                    .body(body)
                    .unwrap())
            }
        });
        Client::new(service, "default")
    }
}

fn is_write(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    let is_tried = request.uri().query().is_some_and(|it| it.contains("dryRun="));
    let is_own = path.contains("/leases") || path.contains("selfsubjectreviews");
    request.method() != Method::GET && !is_tried && !is_own
}

/// An object or list as JSON; none if there is none.
pub(crate) async fn read(client: &Client, uri: &str) -> Option<Value> {
    match client.request(Request::get(uri).body(Vec::new()).unwrap()).await {
        Ok(value) => Some(value),
        Err(kube::Error::Api(status)) if status.is_not_found() => None,
        Err(error) => panic!("{uri}: {error}"),
    }
}

/// Writes; a PATCH is a merge.
pub(crate) async fn send(client: &Client, method: Method, uri: &str, body: &Value) -> Value {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(uri).header("Content-Type", kind);
    client.request(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
}
