//! Room `operator`: who writes. Every replica watches; the holder of the Lease writes, and only while what is left of it is
//! longer than a request may take. Another's lease is over when it was seen unchanged for its whole length: clocks of two
//! machines are never compared.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::Client;
use kube::api::ObjectMeta;
use kube::api::PostParams;
use ringfence_domain::names;
use tokio::sync::watch;
use tokio::time::Instant;

/// How much must be left of a lease for a write: its longest time, and a second.
const MARGIN: Duration = Duration::from_secs(6);
/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lease as one replica sees it.
#[derive(Debug)]
pub(crate) struct Leadership {
    leases: Api<Lease>,
    identity: String,
    length: Duration,
    until: watch::Sender<Option<Instant>>,
    /// The record of another, and since when it is unchanged.
    seen: Option<(LeaseSpec, Instant)>,
}

/// Says whether a write may begin.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    until: watch::Receiver<Option<Instant>>,
    margin: Duration,
}

impl Leadership {
    /// Not leading yet.
    pub(crate) fn new(client: Client, namespace: &str, identity: &str, length: Duration) -> (Self, Guard) {
        let (until, receiver) = watch::channel(None);
        let leases = Api::namespaced(client, namespace);
        let guard = Guard { until: receiver, margin: MARGIN.min(length / 3) };
        (Self { leases, identity: identity.into(), length, until, seen: None }, guard)
    }

    /// Takes and renews the lease until it is dropped, a third of its length apart.
    pub(crate) async fn keep(
        &mut self,
        tell: &(dyn Fn(&str) + Send + Sync),
        explain: &(dyn Fn(&kube::Error) -> String + Send + Sync),
    ) {
        let mut last = String::new();
        loop {
            let words = match tokio::time::timeout(PATIENCE, self.turn()).await {
                Ok(Ok(())) => String::new(),
                Ok(Err(error)) => format!("lease {}: {}", names::LEASE, explain(&error)),
                Err(_) => format!("lease {}: no answer within {} s", names::LEASE, PATIENCE.as_secs()),
            };
            let failed = !words.is_empty();
            if failed && words != last {
                tell(&words);
            }
            last = words;
            // After an error there is time for several tries before the lease ends.
            tokio::time::sleep(self.length / if failed { 15 } else { 3 }).await;
        }
    }

    /// Gives the lease up, so that the next replica need not wait for its end.
    pub(crate) async fn release(&mut self) {
        self.until.send_replace(None);
        let giving = async {
            let mut lease = self.leases.get(names::LEASE).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            self.leases.replace(names::LEASE, &params(), &lease).await.map(drop)
        };
        // The lease ends by itself if this fails.
        let _: Result<Result<(), kube::Error>, _> = tokio::time::timeout(PATIENCE, giving).await;
    }

    async fn turn(&mut self) -> Result<(), kube::Error> {
        let now = Instant::now();
        let Some(mut lease) = self.leases.get_opt(names::LEASE).await? else {
            let metadata = ObjectMeta { name: Some(names::LEASE.into()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.record(0, None)) };
            return match self.leases.create(&params(), &lease).await {
                // Another was faster.
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                other => other.map(|_| self.hold(now)),
            };
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or_default();
        let is_ours = holder == self.identity;
        if !is_ours && !holder.is_empty() && !self.is_over(&spec, now) {
            self.until.send_replace(None);
            return Ok(());
        }
        let since = spec.acquire_time.clone().filter(|_| is_ours);
        lease.spec = Some(self.record(if is_ours { transitions } else { transitions + 1 }, since));
        match self.leases.replace(names::LEASE, &params(), &lease).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
            other => other.map(|_| self.hold(now)),
        }
    }

    /// Whether another's record was unchanged for as long as it is good for.
    fn is_over(&mut self, spec: &LeaseSpec, now: Instant) -> bool {
        match &self.seen {
            Some((seen, since)) if seen == spec => {
                let seconds = spec.lease_duration_seconds.unwrap_or(30);
                now.duration_since(*since) > Duration::from_secs(u64::try_from(seconds).unwrap_or(30))
            }
            _ => {
                self.seen = Some((spec.clone(), now));
                false
            }
        }
    }

    fn hold(&mut self, since: Instant) {
        self.until.send_replace(Some(since + self.length));
    }

    fn record(&self, transitions: i32, since: Option<MicroTime>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.length.as_secs().max(1)).unwrap_or(i32::MAX)),
            acquire_time: Some(since.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

impl Guard {
    /// Whether a write that begins now ends while the lease is held.
    pub(crate) fn may_write(&self) -> bool {
        let until = *self.until.borrow();
        until.is_some_and(|until| until > Instant::now() + self.margin)
    }

    /// Waits for a turn of the lease.
    pub(crate) async fn changed(&mut self) {
        if self.until.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
impl Guard {
    /// One that lasts until it is told otherwise.
    pub(crate) fn lasting() -> (watch::Sender<Option<Instant>>, Self) {
        let (until, receiver) = watch::channel(Some(Instant::now() + Duration::from_hours(1)));
        (until, Self { until: receiver, margin: MARGIN })
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PostParams::default() }
}
