//! Room `operator`: counters, as text of the Prometheus exposition format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Counters and states of the controller.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Numbers>);

#[derive(Clone, Debug, Default)]
struct Numbers {
    drift: BTreeMap<&'static str, u64>,
    writes: BTreeMap<&'static str, u64>,
    failures: BTreeMap<&'static str, u64>,
    is_leading: bool,
    is_synced: bool,
    domains: usize,
}

impl Metrics {
    /// An object of this kind was restored.
    pub(crate) fn drifted(&self, kind: &'static str) {
        self.change(|it| *it.drift.entry(kind).or_default() += 1);
    }

    /// A write of an object of this kind ended.
    pub(crate) fn wrote(&self, kind: &'static str, failed: bool) {
        self.change(|it| {
            let counts = if failed { &mut it.failures } else { &mut it.writes };
            *counts.entry(kind).or_default() += 1;
        });
    }

    /// The present state.
    pub(crate) fn state(&self, is_leading: bool, is_synced: bool, domains: usize) {
        self.change(|it| (it.is_leading, it.is_synced, it.domains) = (is_leading, is_synced, domains));
    }

    /// Whether everything that is watched was seen.
    pub(crate) fn is_synced(&self) -> bool {
        self.numbers().is_synced
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        let numbers = self.numbers();
        let mut text = String::new();
        let mut family = |name: &str, help: &str, rows: &BTreeMap<&'static str, u64>| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
            for (kind, count) in rows {
                let _ = writeln!(text, "{name}{{kind=\"{kind}\"}} {count}");
            }
        };
        family("ringfence_drift_total", "Objects restored after somebody changed them.", &numbers.drift);
        family("ringfence_writes_total", "Writes that went through.", &numbers.writes);
        family("ringfence_write_failures_total", "Writes that failed.", &numbers.failures);
        let states = [
            ("ringfence_leader", "Whether this replica writes.", usize::from(numbers.is_leading)),
            (
                "ringfence_synced",
                "Whether everything that is watched was seen.",
                usize::from(numbers.is_synced),
            ),
            ("ringfence_domains", "SecurityDomains.", numbers.domains),
        ];
        for (name, help, value) in states {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        text
    }

    fn change(&self, change: impl FnOnce(&mut Numbers)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn numbers(&self) -> Numbers {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_counted_by_kind() {
        let metrics = Metrics::default();
        metrics.drifted("NetworkPolicy");
        metrics.drifted("NetworkPolicy");
        metrics.wrote("Node", true);
        let text = metrics.text();
        assert!(text.contains("\nringfence_drift_total{kind=\"NetworkPolicy\"} 2\n"), "{text}");
        assert!(text.contains("\nringfence_write_failures_total{kind=\"Node\"} 1\n"), "{text}");
        assert!(text.contains("\nringfence_leader 0\n"), "{text}");
    }
}
