//! What the supervisor holds of its lab, and the two files that tell others: `spec.json` (what was asked
//! for) and `lab.json` (what there is).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use serde::Deserialize;
use serde::Serialize;

use crate::assets::Programs;
use crate::children::Children;
use crate::error::Result;
use crate::home::Home;
use crate::home::read_json;
use crate::home::write_json;
use crate::site::Site;
use crate::tier::Tier;

/// What was asked for: written by who starts a lab, read by its supervisor.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Spec {
    /// How much of a cluster.
    pub tier: Tier,
    /// The programs of the components.
    pub programs: Programs,
    /// Further flags of the API server, each with its value: `--feature-gates=X=true`.
    pub apiserver_flags: Vec<String>,
    /// Nodes without a kubelet, kept alive by the supervisor.
    pub fake_nodes: Vec<FakeNodeSpec>,
    /// Whether the lab ends with the process that started it, or stays until `lab down`.
    pub owned: bool,
    /// Whether the state folder stays after the end, for its logs.
    pub keep: bool,
}

/// A node that exists in the API only.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FakeNodeSpec {
    /// Its name.
    pub name: String,
    /// Its `nvidia.com/gpu`.
    pub gpus: u32,
    /// How many pods it takes; real nodes take 110.
    pub pods: u32,
    /// Labels beside `kubernetes.io/hostname` and `lab/fake`.
    pub labels: BTreeMap<String, String>,
}

impl FakeNodeSpec {
    /// A node of the usual size.
    pub fn new(name: impl Into<String>, gpus: u32) -> Self {
        Self { name: name.into(), gpus, pods: 110, labels: BTreeMap::new() }
    }
}

impl Spec {
    /// What was asked of this lab.
    pub(crate) fn read(home: &Home) -> Result<Self> {
        read_json(&home.path().join("spec.json"))
    }

    pub(crate) fn write(&self, home: &Home) -> Result<()> {
        write_json(&home.path().join("spec.json"), self)
    }
}

/// A lab that is ready: what a test process or a shell needs to use it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Published {
    /// How much of a cluster it is.
    pub tier: Tier,
    /// Where its processes listen.
    pub site: Site,
    /// The lab's kubectl.
    pub kubectl: PathBuf,
    /// The program that supervises it; starts further labs without building it again.
    pub supervisor: PathBuf,
    /// How long the start took, by milestone, in milliseconds.
    pub milestones: BTreeMap<String, u64>,
}

impl Published {
    /// Of a lab that is ready; an error before.
    pub(crate) fn read(home: &Home) -> Result<Self> {
        read_json(&home.path().join("lab.json"))
    }

    pub(crate) fn write(&self, home: &Home) -> Result<()> {
        write_json(&home.path().join("lab.json"), self)
    }
}

/// A lab in the hands of its supervisor.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Its state folder.
    pub(crate) home: Home,
    /// What was asked for.
    pub(crate) spec: Spec,
    /// Where its processes listen.
    pub(crate) site: Site,
    /// Its processes.
    pub(crate) children: Children,
    /// Milliseconds from the start of the supervisor to each milestone.
    pub(crate) milestones: BTreeMap<String, u64>,
    begin: Instant,
}

impl Lab {
    pub(crate) fn new(home: Home, spec: Spec, site: Site) -> Self {
        let children = Children::new(&home);
        Self { home, spec, site, children, milestones: BTreeMap::new(), begin: Instant::now() }
    }

    /// Notes that a milestone is reached: `readyz`, `node-ready`.
    pub(crate) fn reached(&mut self, milestone: &str) {
        let elapsed = self.begin.elapsed();
        self.milestones.insert(milestone.into(), elapsed.as_millis().try_into().unwrap_or(u64::MAX));
    }

    /// How long this lab exists.
    pub(crate) fn age(&self) -> Duration {
        self.begin.elapsed()
    }
}
