//! The table of docs/models.md: written by `UPDATE=1`, compared otherwise.

use std::fmt::Write as _;
use std::path::Path;

const MARK: &str = "<!-- written by the test generated_table_of_threats_is_fresh -->\n";

#[test]
fn generated_table_of_threats_is_fresh() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, _) = page.split_once(MARK).unwrap();
    let mut fresh = format!("{before}{MARK}\n| id | name | what can happen |\n|---|---|---|\n");
    for threat in ringfence_model::THREATS {
        let _ = writeln!(fresh, "| {} | {} | {} |", threat.id(), threat.title, threat.why);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == fresh,
        "docs/models.md is stale: run `cargo xtask gen`"
    );
}
