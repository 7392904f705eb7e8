//! Room `operator`: a source -> its events, for as long as somebody listens. Errors are retried with a growing pause; a
//! source that is refused says so, and is asked again.

use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::source::Source;
use crate::store::Live;
use crate::store::Store;

/// Events that may wait; then the watches wait.
const QUEUE: usize = 1024;

/// Pauses after refusals, growing from the first to the last: the API server refuses for a moment when it starts, and for good
/// where a right is missing.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// What was seen.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A whole list begins.
    Begin,
    /// An object, as it is now.
    Object(Live),
    /// An object is gone.
    Gone(Live),
    /// The whole list has ended.
    End,
    /// The source cannot be seen, and why.
    Refused(String),
}

/// The watches; they end with it.
pub(crate) struct Watches {
    client: Client,
    sender: mpsc::Sender<(Source, Seen)>,
    running: Vec<Source>,
    tasks: JoinSet<()>,
}

impl Watches {
    /// No watch yet, and where the events will come.
    pub(crate) fn new(client: Client) -> (Self, mpsc::Receiver<(Source, Seen)>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { client, sender, running: Vec::new(), tasks: JoinSet::new() }, receiver)
    }

    /// Watches a source, if it does not yet.
    pub(crate) fn start(&mut self, source: Source) {
        if !self.running.contains(&source) {
            self.running.push(source);
            self.tasks.spawn(follow(self.client.clone(), source, self.sender.clone()));
        }
    }
}

impl Store {
    /// Takes in what was seen. Whether something that counts is new.
    pub(crate) fn take(&mut self, source: Source, seen: Seen) -> bool {
        match seen {
            Seen::Begin => {
                self.begin(source);
                false
            }
            Seen::Object(live) => self.put(source, live),
            Seen::Gone(live) => self.remove(source, &live),
            Seen::End => self.end(source),
            Seen::Refused(words) => self.refuse(source, words),
        }
    }
}

async fn follow(client: Client, source: Source, sender: mpsc::Sender<(Source, Seen)>) {
    let params = source.list_params();
    let config = watcher::Config {
        label_selector: params.label_selector,
        field_selector: params.field_selector,
        ..watcher::Config::default()
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let mut events = watcher(source.api(&client), config.clone()).default_backoff().boxed();
        while let Some(event) = events.next().await {
            let seen = match event {
                Ok(Event::Init) => Some(Seen::Begin),
                Ok(Event::InitApply(object) | Event::Apply(object)) => live(source, object).map(Seen::Object),
                Ok(Event::Delete(object)) => live(source, object).map(Seen::Gone),
                Ok(Event::InitDone) => Some(Seen::End),
                Err(error) => refused(&error).map(Seen::Refused),
            };
            let Some(seen) = seen else { continue };
            let is_refused = matches!(seen, Seen::Refused(_));
            if matches!(seen, Seen::End) {
                pause = FIRST_PAUSE;
            }
            if sender.send((source, seen)).await.is_err() {
                return;
            }
            if is_refused {
                break;
            }
        }
        // A watch that goes on after a refusal tells nothing of what was before: who was refused lists anew.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

fn live(source: Source, object: DynamicObject) -> Option<Live> {
    serde_json::to_value(object).ok().map(|value| Live::new(source, value))
}

/// The server's words, if it says no; a connection that broke is no refusal.
fn refused(error: &watcher::Error) -> Option<String> {
    let of = |error: &kube::Error| match error {
        kube::Error::Api(status) if status.code == 403 || status.code == 404 => Some(status.message.clone()),
        _ => None,
    };
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => of(error),
        watcher::Error::WatchError(status) if status.code == 403 => Some(status.message.clone()),
        _ => None,
    }
}
