//! Clients that do not do as they are told: one whose process dies at a write, one that is answered by somebody else.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use http::Method;
use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

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

fn is_write(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    request.method() != Method::GET && !path.contains("/leases") && !path.contains("selfsubjectreviews")
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
