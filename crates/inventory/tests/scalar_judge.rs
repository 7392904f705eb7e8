//! What a YAML text means is decided by the API server's own layer, `sigs.k8s.io/yaml`: a table of awkward texts is
//! read by ours and by it (`lab/yaml`, twenty lines of Go) and compared value for value. Where YAML 1.1 is not at
//! stake, `serde-saphyr` is a second judge that needs no Go, and `serde_json` judges the JSON reader.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

#[path = "support/awkward/mod.rs"]
mod awkward;
#[path = "support/tree.rs"]
mod tree;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use ringfence_inventory::split;
use ringfence_inventory::yaml::read_yaml;
use serde_json::Value;

use awkward::READ_ANYWAY;
use awkward::REFUSED;
use awkward::TEXTS;
use tree::same;
use tree::to_json;

/// First document as the reader of files meets it: the judge stops after it too.
fn ours(text: &str) -> Result<Value, String> {
    let pieces = split(text);
    let first = pieces.iter().map(|piece| &text[piece.range.clone()]).next().unwrap_or("");
    let first = first.trim_start_matches('\u{feff}');
    match read_yaml(first) {
        Ok(Some(tree)) => to_json(tree.root()),
        Ok(None) => Ok(Value::Null),
        Err(error) => Err(error.to_string()),
    }
}

fn judge(texts: &[&str], flags: &[&str]) -> Vec<Result<Value, String>> {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/yaml");
    let mut child = Command::new("go")
        .args(["run", "."])
        .args(flags)
        .current_dir(lab)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(texts).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the judge failed");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let answer = |answer: Value| match answer.get("error") {
        Some(error) => Err(error.as_str().unwrap_or("").to_owned()),
        None => Ok(answer.get("json").cloned().unwrap_or(Value::Null)),
    };
    answers.into_iter().map(answer).collect()
}

fn has_go() -> bool {
    Command::new("go").arg("version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs go"]
fn every_awkward_text_means_what_the_api_server_takes_it_for() {
    if !has_go() {
        eprintln!("skipped: needs go (install the Go toolchain)");
        return;
    }
    let answers = judge(&TEXTS, &[]);
    assert_eq!(answers.len(), TEXTS.len());
    let (mut wrong, mut read_anyway, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (text, expected) in TEXTS.iter().zip(answers) {
        match (ours(text), expected) {
            (Ok(found), Ok(expected)) if same(&found, &expected) => {}
            (Err(_), Err(_)) => {}
            (Ok(_), Err(_)) => read_anyway.push(*text),
            (Err(_), Ok(_)) => refused.push(*text),
            (found, expected) => wrong.push(format!("{text:?}\n  judge {expected:?}\n  ours  {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), TEXTS.len(), wrong.join("\n"));
    assert_eq!(read_anyway, READ_ANYWAY, "read though the API server's layer refuses");
    assert_eq!(refused, REFUSED, "refused though the API server's layer reads");
}

#[test]
#[ignore = "needs go"]
fn duplicate_keys_are_those_that_strict_appliers_refuse() {
    if !has_go() {
        eprintln!("skipped: needs go (install the Go toolchain)");
        return;
    }
    // A key that overrides a merged one is refused by the strict layer too, and says what it means.
    let texts: Vec<&str> = TEXTS.iter().copied().filter(|text| !text.contains("<<")).collect();
    let (plain, strict) = (judge(&texts, &[]), judge(&texts, &["-strict"]));
    let mut seen = 0;
    for ((text, plain), strict) in texts.iter().zip(plain).zip(strict) {
        let Ok(Some(tree)) = read_yaml(text) else { continue };
        if plain.is_ok() {
            assert_eq!(tree.duplicates().is_empty(), strict.is_ok(), "{text:?}: {strict:?}");
            seen += usize::from(strict.is_err());
        }
    }
    assert!(seen >= 8, "only {seen} texts with duplicates");
}

/// YAML 1.1 is what the second judge reads too, but for words and numbers that it resolves by its own table.
#[test]
fn whole_manifests_mean_the_same_to_a_second_reader() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = 0;
    for folder in
        ["fixtures/guide", "fixtures/base", "demo/open", "demo/closed", "crates/inventory/tests/pods"]
    {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for piece in split(&text) {
                let part = &text[piece.range];
                let Ok(Some(tree)) = read_yaml(part) else {
                    assert!(part.lines().all(|line| line.starts_with(['#', '-']) || line.trim().is_empty()));
                    continue;
                };
                let second: Value = serde_saphyr::from_str_with_options(part, options()).unwrap();
                let ours = to_json(tree.root()).unwrap();
                assert!(same(&ours, &second), "{}: {ours}\n{second}", path.display());
                documents += 1;
            }
        }
    }
    assert!(documents >= 60, "only {documents} documents");
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

#[test]
fn awkward_texts_mean_the_same_to_a_second_reader_where_yaml_1_1_is_not_at_stake() {
    let (mut agreed, mut differ) = (0, Vec::new());
    for text in TEXTS.iter().filter(|text| !is_at_stake(text)) {
        let (Ok(ours), Ok(second)) =
            (ours(text), serde_saphyr::from_str_with_options::<Value>(text, options()))
        else {
            continue;
        };
        if same(&ours, &second) {
            agreed += 1;
        } else {
            differ.push(format!("{text:?}: {ours} {second}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(agreed >= 350, "only {agreed} texts agree");
}

/// Where the two readers follow different tables, and the real library alone can judge: underscores in numbers, merges,
/// tags, words in odd case, keys that are no text, a block scalar that ends with the text.
fn is_at_stake(text: &str) -> bool {
    let odd_word =
        ["tRue", "YeS", "yES", "oN", "oFF", "0O", "0X", "0B"].iter().any(|word| text.contains(word));
    let block_at_end = text.contains(['|', '>']) && !text.ends_with('\n');
    let typed_key = text.lines().any(|line| {
        let key = line.trim_start_matches(['?', ' ', '{']).split([':', '\n']).next().unwrap_or("").trim();
        matches!(read_yaml(key), Ok(Some(tree)) if tree.root().is_scalar() && tree.root().as_str() != Some(key))
    });
    text.contains(['_', '!'])
        || text.contains("<<")
        || text.contains("y: ")
        || odd_word
        || block_at_end
        || typed_key
}
