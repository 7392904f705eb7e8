//! Room `operator`: the loop. Events go into the store; when something that counts is new, everything is looked at again in
//! memory, and what is left to do is done, round by round, until nothing is left. A look that finds nothing sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use ringfence_domain::OperatorIdentity;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::act;
use crate::act::Act;
use crate::act::Done;
use crate::act::Hand;
use crate::discover;
use crate::event::Events;
use crate::facts::domain_of;
use crate::lease::Guard;
use crate::ledger::Ledger;
use crate::look::Look;
use crate::look::Simulate;
use crate::metrics::Metrics;
use crate::own::Own;
use crate::plan::Plan;
use crate::run::Config;
use crate::run::Explain;
use crate::simulating::Simulations;
use crate::simulation::Simulated;
use crate::simulation::simulate;
use crate::source::CHILDREN;
use crate::source::FACTS;
use crate::source::Source;
use crate::store::Sight;
use crate::store::Store;
use crate::watch::Seen;
use crate::watch::Watches;

/// Writes at the same time.
const CONCURRENCY: usize = 16;
/// Events that come together are looked at together.
const GATHER: Duration = Duration::from_millis(30);
/// Most rounds in a row; then events go first.
const ROUNDS: usize = 64;
/// Pause after an error of the API server.
const PAUSE: Duration = Duration::from_secs(2);
/// Discovery follows a definition after some seconds: for so long it is asked again.
const DISCOVERY_LAG: Duration = Duration::from_secs(10);
/// Without a new definition: an API server that was upgraded serves other kinds.
const DISCOVERY_PAUSE: Duration = Duration::from_mins(10);
/// Pauses between questions that get no answer, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Longest time of what is asked before a look.
const PATIENCE: Duration = Duration::from_secs(10);

/// The controller.
pub(crate) struct Controller {
    client: Client,
    operator: OperatorIdentity,
    metrics: Arc<Metrics>,
    guard: Guard,
    watches: Watches,
    events: Events,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    explain: Explain,
    /// What was told last of questions without an answer, and the pause after it.
    unanswered: Option<(String, Duration)>,
    store: Store,
    ledger: Ledger,
    simulations: Simulations,
    /// A simulation that runs; none or one.
    simulating: JoinSet<BTreeMap<String, Simulated>>,
    /// Who we are was asked.
    is_known: bool,
    /// When to ask what is served.
    discover_at: Option<Instant>,
    /// Until when an answer may be that from before a definition changed.
    discover_until: Option<Instant>,
    /// Domains that cannot be read, as they were told of.
    unreadable: Vec<(String, String)>,
}

impl Controller {
    /// It has seen nothing yet.
    pub(crate) fn new(
        client: Client,
        config: &Config,
        metrics: Arc<Metrics>,
        guard: Guard,
        watches: Watches,
    ) -> Self {
        let operator =
            OperatorIdentity { namespace: config.namespace.clone(), ..OperatorIdentity::default() };
        let events = Events::new(client.clone(), &config.identity);
        let (tell, explain) = (config.tell.clone(), config.explain.clone());
        let (store, ledger) = (Store::default(), Ledger::default());
        let discover_at = Some(Instant::now());
        Self {
            client,
            operator,
            metrics,
            guard,
            watches,
            events,
            tell,
            explain,
            unanswered: None,
            store,
            ledger,
            simulations: Simulations::default(),
            simulating: JoinSet::new(),
            is_known: false,
            discover_at,
            discover_until: None,
            unreadable: Vec::new(),
        }
    }

    /// Works for as long as it is polled. It ends by itself only where it cannot go on: then the process has to be started
    /// anew.
    pub(crate) async fn work(mut self, mut events: mpsc::Receiver<(Source, Seen)>) {
        for source in FACTS {
            self.watches.start(source);
        }
        self.watches.start(Source::Definitions);
        // Whether something is new that was not looked at yet.
        let mut is_new = true;
        let mut wake = None;
        loop {
            self.ask().await;
            let leads = self.guard.may_write();
            let synced = self.is_synced();
            self.metrics.state(leads, synced, self.store.all(Source::Domains).count());
            if is_new && leads && synced && self.is_known {
                let Some(again) = self.rounds(&mut events).await else { return };
                wake = again;
                // What the end of a lease interrupted is done when it is renewed.
                is_new = !self.guard.may_write();
            }
            let due = [wake, self.discover_at].into_iter().flatten().min();
            tokio::select! {
                event = events.recv() => {
                    let Some((source, seen)) = event else { return };
                    if self.take(source, seen) {
                        is_new = true;
                        self.gather(&mut events).await;
                    }
                }
                () = self.guard.changed() => is_new |= !leads && self.guard.may_write(),
                Some(ended) = self.simulating.join_next() => {
                    self.simulated(ended);
                    is_new = true;
                }
                () = until(due) => {
                    is_new = true;
                    wake = None;
                }
            }
        }
    }

    /// Takes in what else comes in the next moment.
    async fn gather(&mut self, events: &mut mpsc::Receiver<(Source, Seen)>) {
        let end = Instant::now() + GATHER;
        while let Ok(Some((source, seen))) = tokio::time::timeout_at(end, events.recv()).await {
            self.take(source, seen);
        }
    }

    fn take(&mut self, source: Source, seen: Seen) -> bool {
        let refused = if let Seen::Refused(words) = &seen { Some(words.clone()) } else { None };
        let is_new = self.store.take(source, seen);
        if let Some(words) = refused.filter(|_| is_new) {
            (self.tell)(&format!("watch of {}: {words}", source.resource()));
        }
        if is_new && source == Source::Definitions {
            let now = Instant::now();
            self.discover_at = self.discover_at.map(|it| it.min(now)).or(Some(now));
            self.discover_until = Some(now + DISCOVERY_LAG);
        }
        is_new
    }

    /// Asks who we are, once, and what is served, when that may have changed.
    async fn ask(&mut self) {
        if self.discover_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        if !self.is_known {
            let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
            let (params, review) = (PostParams::default(), SelfSubjectReview::default());
            let asked = tokio::time::timeout(PATIENCE, reviews.create(&params, &review)).await;
            let name =
                |it: SelfSubjectReview| it.status.and_then(|it| it.user_info).and_then(|it| it.username);
            match asked
                .map_err(|_| "no answer".to_owned())
                .and_then(|it| it.map(name).map_err(|it| (self.explain)(&it)))
            {
                Ok(Some(name)) => {
                    self.operator.username = name;
                    self.is_known = true;
                }
                Ok(None) => self.is_known = true,
                Err(error) => return self.is_unanswered(format!("who the controller is: {error}")),
            }
        }
        let asked = tokio::time::timeout(PATIENCE, discover::served(&self.client)).await;
        match asked
            .map_err(|_| "API discovery: no answer".to_owned())
            .and_then(|it| it.map_err(|it| it.explained(&*self.explain)))
        {
            Ok(served) => {
                self.unanswered = None;
                self.store.served = Some(served);
                let issuer =
                    tokio::time::timeout(PATIENCE, discover::issuer(&self.client)).await.ok().flatten();
                self.store.issuer = issuer.or(self.store.issuer.take());
                for source in CHILDREN.into_iter().filter(|it| self.store.serves(*it)) {
                    self.watches.start(source);
                }
                let again = Instant::now() + PAUSE;
                let lags = self.discover_until.is_some_and(|end| again <= end);
                self.discover_at = Some(if lags { again } else { Instant::now() + DISCOVERY_PAUSE });
            }
            Err(error) => self.is_unanswered(error),
        }
    }

    /// Says it, if it is news, and asks again after a pause that grows.
    fn is_unanswered(&mut self, words: String) {
        let (told, pause) = self.unanswered.take().unwrap_or_default();
        if words != told {
            (self.tell)(&words);
        }
        let pause = pause.saturating_mul(2).clamp(FIRST_PAUSE, LAST_PAUSE);
        self.discover_at = Some(Instant::now() + pause);
        self.unanswered = Some((words, pause));
    }

    /// Whether all was seen that can be seen. Nothing is decided on facts that were not read: what the API server refuses to
    /// show is not what does not exist.
    fn is_synced(&self) -> bool {
        let whole = |source| *self.store.sight(source) == Sight::Whole;
        let here = |source: &Source| *self.store.sight(*source) != Sight::Waiting;
        self.store.served.is_some()
            && FACTS.into_iter().all(whole)
            && CHILDREN.iter().filter(|it| self.store.serves(**it)).all(here)
    }

    /// Does what is left, until nothing is. When to look again without an event; none: it cannot go on.
    async fn rounds(&mut self, events: &mut mpsc::Receiver<(Source, Seen)>) -> Option<Option<Instant>> {
        for _ in 0..ROUNDS {
            let mut plan = self.plan().await?;
            self.tell_unreadable(std::mem::take(&mut plan.unreadable));
            if plan.is_empty() || !self.guard.may_write() {
                self.simulate(plan.simulate);
                // What runs wakes the loop when it ends.
                let again = plan.simulate_at.filter(|_| self.simulating.is_empty());
                return Some([self.ledger.next(Instant::now()), again].into_iter().flatten().min());
            }
            if plan.early.is_empty() && plan.stages.is_empty() {
                self.send(plan.late).await;
            } else if plan.early.is_empty() {
                for stage in plan.stages {
                    self.perform(stage).await;
                }
            } else {
                self.send(plan.early).await;
            }
            while let Ok((source, seen)) = events.try_recv() {
                self.take(source, seen);
            }
        }
        Some(Some(Instant::now() + PAUSE))
    }

    /// Says once of each domain why it cannot be read.
    fn tell_unreadable(&mut self, unreadable: Vec<(String, String)>) {
        for (name, words) in unreadable.iter().filter(|it| !self.unreadable.contains(it)) {
            (self.tell)(&format!("SecurityDomain {name} cannot be read: {words}; nothing of it is touched"));
        }
        self.unreadable = unreadable;
    }

    /// Looks, on a thread of its own: a thousand namespaces take a tenth of a second.
    async fn plan(&mut self) -> Option<Plan> {
        let (store, mut ledger) = (std::mem::take(&mut self.store), std::mem::take(&mut self.ledger));
        let mut simulations = std::mem::take(&mut self.simulations);
        let operator = self.operator.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let at = (Instant::now(), Timestamp::now());
            let mut look = Look::at(&store, &simulations, operator, at);
            simulations.retain(|name| look.domains.contains_key(name));
            let simulate = look.simulate.take();
            let plan = Plan { simulate, ..Plan::of(&look, &store, &simulations, &mut ledger, at) };
            (store, ledger, simulations, plan)
        });
        match looking.await {
            Ok((store, ledger, simulations, plan)) => {
                (self.store, self.ledger, self.simulations) = (store, ledger, simulations);
                Some(plan)
            }
            // Only a panic in the look, or the end of the runtime: what was seen went with it.
            Err(error) => {
                (self.tell)(&format!("a look failed: {error}"));
                None
            }
        }
    }

    /// Begins a simulation, if none runs. The loop goes on meanwhile.
    fn simulate(&mut self, what: Option<Simulate>) {
        let Some(what) = what.filter(|_| self.simulating.is_empty() && self.guard.may_write()) else {
            return;
        };
        let client = self.client.clone();
        self.simulating
            .spawn(async move { simulate(&client, &what.facts, &what.domains, &what.names).await });
    }

    fn simulated(&mut self, ended: Result<BTreeMap<String, Simulated>, JoinError>) {
        let clock = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        match ended {
            Ok(found) => {
                for (name, found) in found {
                    self.simulations.note(&name, &found, &clock, Instant::now());
                }
            }
            // Only a panic in it, or the end of the runtime.
            Err(error) => {
                (self.tell)(&format!("a simulation failed: {error}"));
                self.simulations.fail(Instant::now());
            }
        }
    }

    /// Writes of the domains themselves.
    async fn send(&mut self, owns: Vec<Own>) {
        for own in owns {
            if !self.guard.may_write() {
                return;
            }
            match own.send(&self.client).await {
                Ok(live) => {
                    self.ledger.succeed(&own.key);
                    self.metrics.wrote(own.key.source.kind(), false);
                    self.store.put(Source::Domains, live);
                }
                Err(words) => {
                    self.metrics.wrote(own.key.source.kind(), true);
                    self.ledger.fail(&own.key, "", words, Instant::now());
                }
            }
        }
    }

    /// Writes of one stage, side by side.
    async fn perform(&mut self, stage: Vec<Act>) {
        let room = Arc::new(Semaphore::new(CONCURRENCY));
        let mut running = JoinSet::new();
        for act in stage {
            let (client, guard, room) = (self.client.clone(), self.guard.clone(), room.clone());
            running.spawn(async move {
                let _place = room.acquire().await;
                let done = act::perform(&Hand { client, guard }, &act).await;
                (act, done)
            });
        }
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok((_, Err(words))) if words == act::ENDED => {}
                Ok((act, done)) => self.note(&act, done),
                Err(error) => (self.tell)(&format!("a write failed: {error}")),
            }
        }
    }

    fn note(&mut self, act: &Act, done: Result<Done, String>) {
        let kind = act.key.source.kind();
        self.metrics.wrote(kind, done.is_err());
        let now = Instant::now();
        let live = match done {
            Err(words) => return self.ledger.fail(&act.key, &act.hash, words, now),
            Ok(Done::Gone) => {
                self.store.forget(&act.key);
                None
            }
            Ok(Done::Is(live)) => Some(live),
        };
        self.ledger.succeed(&act.key);
        if let Some(drift) = &act.drift {
            let by = drift.by.clone().or_else(|| live.as_ref()?.by.clone());
            self.metrics.drifted(kind);
            let named = by.as_deref().unwrap_or("somebody the API does not name");
            self.ledger.restore(&act.key, named, drift.generation, live.as_ref(), now);
            let words = format!("{}: {} changed by {named}; restored", act.key, drift.fields.join(", "));
            (self.tell)(&words);
            let domain = drift.domain.as_ref().and_then(|name| domain_of(&self.store, name)?.ok());
            if let Some(domain) = domain {
                self.events.drift(&domain, &words);
            }
        }
        if let Some(live) = live {
            self.store.put(act.key.source, live);
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
