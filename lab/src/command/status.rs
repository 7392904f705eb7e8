//! `lab status`: the labs of this user, what they are and what they use.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::command::print;
use crate::control::Request;
use crate::control::ask;
use crate::error::Error;
use crate::error::Result;
use crate::home::Home;
use crate::sweep::Care;
use crate::sweep::care;

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn json() -> Result<()> {
    let labs = labs()?;
    print(&serde_json::to_string_pretty(&json!({"labs": labs})).map_err(Error::while_("status"))?)
}

pub(super) fn text() -> Result<()> {
    let labs = labs()?;
    if labs.is_empty() {
        return print("no lab runs");
    }
    for lab in labs {
        print(&line(&lab))?;
        for component in lab["components"].as_array().into_iter().flatten() {
            print(&component_line(component))?;
        }
    }
    Ok(())
}

/// One object per lab: `name`, `phase`, and what its supervisor tells.
fn labs() -> Result<Vec<Value>> {
    Ok(Home::all()?.iter().map(lab).collect())
}

fn lab(home: &Home) -> Value {
    let mut told = match care(home) {
        Care::LeftBehind => json!({"phase": "left behind"}),
        Care::Alive => match ask(home, Request::Status, PATIENCE) {
            Ok(told) => told,
            Err(error) => json!({"phase": "no answer", "error": error.to_string()}),
        },
    };
    told["name"] = home.name().into();
    told["folder"] = home.path().to_string_lossy().into();
    told
}

fn line(lab: &Value) -> String {
    let text = |key: &str| lab[key].as_str().unwrap_or("-").to_owned();
    let hint = match lab["phase"].as_str() {
        Some("left behind") => ": `cargo xtask lab sweep` removes it",
        _ => "",
    };
    let age = lab["age_seconds"].as_u64().map(|seconds| format!(", {seconds} s old")).unwrap_or_default();
    format!("{}  {}, tier {}{age}, {}{hint}", text("name"), text("phase"), text("tier"), text("folder"))
}

fn component_line(component: &Value) -> String {
    let name = component["name"].as_str().unwrap_or_default();
    if component["runs"] != true {
        return format!("  {name:<24} ended");
    }
    let usage = &component["usage"];
    let megabytes = usage["resident"].as_f64().unwrap_or_default() / 1e6;
    let cpu = usage["cpu_seconds"].as_f64().unwrap_or_default();
    let pid = component["process"]["pid"].as_i64().unwrap_or_default();
    format!("  {name:<24} pid {pid:<8} {megabytes:>5.0} MB  {cpu:>6.1} CPU-s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_per_lab_and_per_component() {
        let left = json!({"name": "rf-1", "phase": "left behind", "folder": "/tmp/rf-1"});
        assert_eq!(line(&left), "rf-1  left behind, tier -, /tmp/rf-1: `cargo xtask lab sweep` removes it");
        let etcd = json!({"name": "etcd", "runs": true, "process": {"pid": 7},
            "usage": {"resident": 46_000_000, "cpu_seconds": 1.26}});
        assert_eq!(component_line(&etcd), "  etcd                     pid 7           46 MB     1.3 CPU-s");
        assert_eq!(
            component_line(&json!({"name": "etcd", "runs": false})),
            "  etcd                     ended"
        );
    }
}
