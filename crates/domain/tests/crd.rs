//! Tests: the definition of SecurityDomain as it is installed. `UPDATE=1` writes it.

use std::path::Path;

/// The committed file.
const FILE: &str = "crd/securitydomains.ringfence.dev.yaml";

#[test]
fn the_committed_definition_is_the_one_of_the_types() {
    let text = ringfence_domain::yaml(&ringfence_domain::definition());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        return;
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), text, "run `cargo xtask gen`");
}
