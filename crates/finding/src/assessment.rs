//! The verdict on the door, what stands open in dollars, and the score of each family.

use serde::Serialize;

use crate::ControlId;
use crate::Family;

/// Is the door open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// A control of high or critical severity fails.
    Open,
    /// None fails and everything asked for was looked at.
    Closed,
    /// None fails, but something could not be looked at.
    NotProvenClosed,
}

/// GPUs of one model behind an open door.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PricedGpus {
    /// Model as the price table names it, or as the node label says; none when nobody says.
    pub model: Option<String>,
    /// GPUs, each counted once.
    pub gpus: u64,
    /// Dollars per GPU-hour; none when the table has no row: then GPU-hours are shown, never a guess.
    pub dollars_per_gpu_hour: Option<f64>,
}

/// What stands open: GPUs of workloads or nodes with a failing critical or high control.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// By model, priced ones first.
    pub exposed: Vec<PricedGpus>,
    /// All GPUs known: of the nodes when nodes were given, else of the workloads.
    pub total_gpus: u64,
    /// Sum in dollars per hour over the priced rows.
    pub dollars_per_hour: f64,
    /// Date of the price table in use.
    pub prices_date: String,
}

impl Exposure {
    /// GPUs behind an open door, priced or not.
    pub fn gpus(&self) -> u64 {
        self.exposed.iter().map(|row| row.gpus).sum()
    }

    /// GPUs without a price, shown as GPU-hours.
    pub fn unpriced(&self) -> u64 {
        self.exposed.iter().filter(|row| row.dollars_per_gpu_hour.is_none()).map(|row| row.gpus).sum()
    }
}

/// Results of one family, counted by target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyScore {
    /// Which family.
    pub family: Family,
    /// Targets that passed.
    pub pass: u32,
    /// Root causes that failed.
    pub fail: u32,
    /// Results that lack a fact.
    pub unknown: u32,
    /// Targets a control does not concern.
    pub not_applicable: u32,
    /// Controls that could not run.
    pub error: u32,
    /// Controls of the family that ran.
    pub controls: Vec<ControlId>,
}

/// Verdict of a scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// Is the door open?
    pub door: Door,
    /// What stands open in dollars.
    pub exposure: Exposure,
    /// One score per family, in guide order.
    pub families: Vec<FamilyScore>,
}
