//! Seed -> the same words, names and sentences on every machine.

/// `SplitMix64`: one word of state, good enough to mix manifests, and nothing to depend on.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    pub(super) fn name(&mut self) -> String {
        format!("{}-{}", self.pick(&NAMES), self.pick(&ROLES))
    }

    pub(super) fn word(&mut self) -> &'static str {
        self.pick(&WORDS)
    }

    /// Plain prose without any YAML indicator.
    pub(super) fn sentence(&mut self) -> String {
        let mut words = vec![self.pick(&OPENINGS)];
        for _ in 0..self.between(6, 18) {
            words.push(self.pick(&WORDS));
        }
        words.join(" ") + "."
    }

    pub(super) fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(self.pick(b"0123456789abcdef"))).collect()
    }

    /// `camelCase`, as field names are.
    pub(super) fn field(&mut self) -> String {
        let (first, second) = (self.pick(&FIELDS), self.pick(&FIELDS));
        let mut rest = second.chars();
        let capital = rest.next().map(|letter| letter.to_ascii_uppercase());
        first.chars().chain(capital).chain(rest).collect()
    }
}

const NAMES: [&str; 24] = [
    "atlas", "birch", "cedar", "delta", "ember", "falcon", "garnet", "harbor", "indigo", "juniper",
    "kestrel", "lantern", "meadow", "nimbus", "orchid", "pelican", "quartz", "raven", "sierra", "tundra",
    "umber", "violet", "willow", "zephyr",
];

const ROLES: [&str; 20] = [
    "api", "batch", "cache", "chat", "embed", "eval", "feed", "gateway", "index", "ingest", "labeler", "llm",
    "proxy", "ranker", "search", "serve", "store", "train", "tuner", "worker",
];

const OPENINGS: [&str; 10] = [
    "Names",
    "Holds",
    "Limits",
    "Describes",
    "Selects",
    "Lists",
    "Counts",
    "Says whether",
    "Overrides",
    "Bounds",
];

const FIELDS: [&str; 40] = [
    "access", "backoff", "batch", "cache", "claim", "class", "count", "data", "delay", "drain", "epoch",
    "filter", "group", "health", "image", "limit", "memory", "mode", "model", "node", "owner", "peer",
    "phase", "policy", "port", "quota", "rank", "replica", "request", "retry", "scale", "secret", "shard",
    "state", "target", "token", "volume", "weight", "window", "zone",
];

const WORDS: [&str; 60] = [
    "the",
    "a",
    "each",
    "this",
    "replica",
    "worker",
    "controller",
    "object",
    "field",
    "value",
    "that",
    "when",
    "before",
    "after",
    "while",
    "without",
    "node",
    "cluster",
    "namespace",
    "scheduler",
    "is",
    "are",
    "runs",
    "waits",
    "starts",
    "stops",
    "keeps",
    "reads",
    "writes",
    "must",
    "may",
    "never",
    "always",
    "only",
    "once",
    "more",
    "than",
    "at",
    "most",
    "least",
    "in",
    "of",
    "to",
    "from",
    "with",
    "for",
    "and",
    "or",
    "if",
    "default",
    "template",
    "container",
    "memory",
    "accelerator",
    "model",
    "queue",
    "volume",
    "secret",
    "policy",
    "seconds",
];
