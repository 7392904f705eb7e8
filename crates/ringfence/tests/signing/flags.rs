//! Flags that mean nothing beside others: an error, and never passed over.

use crate::Folder;
use crate::Ran;
use crate::command;
use crate::keys;
use crate::run;

/// A signed model, and a key pair that signed it: paths of model, keys.
fn signed(folder: &Folder) -> [String; 3] {
    folder.write("acme/llama/weights.bin", "x");
    let model = format!("{}/acme/llama", folder.path());
    let (key, public) = keys(folder, "p256", "pem", "");
    run(&["model", "sign", &model, "--key", &key]).ends(0);
    [model, key, public]
}

#[track_caller]
fn refused(ran: &Ran, hints: &[&str]) {
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
    for hint in hints {
        assert!(ran.err.contains(hint), "no `{hint}` in {}", ran.err);
    }
}

#[test]
fn what_says_nothing_about_a_key_is_refused_beside_one() {
    let folder = Folder::new("flags-key");
    let [model, _, public] = signed(&folder);
    let with_key = ["model", "verify", &model, "--key", &public];
    for (more, hint) in [
        (["--identity", "release@acme.example"], "--identity"),
        (["--at", "2026-01-31"], "--at"),
        (["--repo", "acme/llama"], "--repo"),
    ] {
        refused(&run(&[&with_key[..], &more].concat()), &[hint, "cannot be used with"]);
    }
    refused(&run(&["model", "verify", &model, "--identity", "x"]), &["--ca <FILE>"]);
    // Where the configuration trusts keys alone, too.
    let signers = format!("signers:\n- {{name: a, scheme: oms, key: {public}, repos: [\"acme/*\"]}}\n");
    folder.write("ringfence.yaml", signers);
    let verify = |more: &[&str]| -> Ran {
        let arguments = [&["model", "verify", "acme/llama"], more].concat();
        command(&arguments).current_dir(folder.path()).output().unwrap().into()
    };
    verify(&[]).ends(0);
    refused(&verify(&["--at", "2026-01-31"]), &["--at", "trusts keys alone"]);
}
