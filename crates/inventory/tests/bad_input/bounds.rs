//! Bad input: what is too large, too deep, or multiplies, and what only looks so. Time grows with the text and no faster.

use std::fs;
use std::time::Duration;
use std::time::Instant;

use ringfence_finding::Reason;
use ringfence_inventory::Input;
use ringfence_inventory::Inventory;
use ringfence_inventory::Options;

use crate::POD;
use crate::folder;
use crate::reasons;
use crate::scan;

#[test]
fn a_file_above_the_limit_is_not_read() {
    let path = folder("large");
    let file = fs::File::create(path.join("sparse.yaml")).unwrap();
    file.set_len(200 << 20).unwrap();
    fs::write(path.join("small.yaml"), POD).unwrap();
    let started = Instant::now();
    let inventory = scan(&path);
    assert_eq!(reasons(&inventory.coverage), [Reason::TooLarge]);
    assert_eq!(inventory.pods().len(), 1);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let blind = &inventory.coverage.blind.iter().find(|blind| blind.reason == Reason::TooLarge).unwrap();
    assert!(blind.location.as_ref().unwrap().file.ends_with("sparse.yaml"));
}

#[test]
fn bombs_end_at_their_budget() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let nested = |open: &str, count: usize| open.repeat(count);
    // Few aliases of much text: whoever keeps the text of each would need 30 GB.
    let repeated =
        |what: &str, count: usize| format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), what.repeat(count));
    for (text, reason) in [
        (bomb, Reason::AliasLimit),
        (repeated("*a, ", 30_000), Reason::AliasLimit),
        (repeated("{*a : 1}, ", 30_000), Reason::AliasLimit),
        (repeated("{<<: {*a : 1}}, ", 30_000), Reason::AliasLimit),
        ("a: &a [*a]\n".to_owned(), Reason::AliasLimit),
        ("a: &a\n  b: *a\n".to_owned(), Reason::AliasLimit),
        (nested("[", 20_000), Reason::Depth),
        (nested("{\"a\":", 20_000), Reason::Depth),
        (nested("{a: ", 20_000), Reason::Depth),
        (nested("- ", 20_000), Reason::Depth),
        (nested("? ", 20_000), Reason::Unparsable),
    ] {
        for name in ["x.yaml", "x.json"] {
            let started = Instant::now();
            let mut file = text.clone();
            if name == "x.yaml" {
                file.push_str("\n---\n");
                file.push_str(POD);
            }
            let inventory = Inventory::read(Input::from_bytes(name, file.into_bytes()), &Options::default());
            let head = &text[..text.len().min(20)];
            assert!(started.elapsed() < Duration::from_secs(5), "{head} took {:?}", started.elapsed());
            let found = reasons(&inventory.coverage);
            assert_eq!(found.len(), 1, "{head} in {name}: {found:?}");
            assert!(found[0].is_incomplete(), "{head} in {name}: {found:?}");
            if name == "x.yaml" {
                assert_eq!(found, [reason], "{head}");
                assert_eq!(inventory.pods().len(), 1, "{head}: the document after it");
            }
        }
    }
}

/// Makes a text of so many parts.
type Text<'a> = dyn Fn(usize) -> String + 'a;

/// Seconds for a text, the better of two.
fn seconds(text: &str) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..2 {
        let started = Instant::now();
        std::hint::black_box(Inventory::from_text(text));
        best = best.min(started.elapsed().as_secs_f64());
    }
    best
}

#[test]
fn time_grows_with_the_text_and_no_faster() {
    let duplicates = |count: usize| {
        let mut text = "apiVersion: v1\nkind: ConfigMap\ndata:\n".to_owned();
        text.push_str(&"  a: b\n".repeat(count));
        text
    };
    let keys = |count: usize| {
        let mut text = "apiVersion: v1\nkind: ConfigMap\ndata:\n".to_owned();
        for key in 0..count {
            text.push_str(&format!("  k{key}: b\n"));
        }
        text
    };
    let one_line =
        |count: usize| format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: \"{}\"}}\n", "x ".repeat(count));
    let flow = |count: usize| format!("{{apiVersion: v1, kind: X, spec: {{l: [{}1]}}}}", "1, ".repeat(count));
    let items = |count: usize| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"spec\": {{\"l\": [{}1]}}}}",
            "1, ".repeat(count)
        )
    };
    let comments = |count: usize| format!("{}{POD}", "# c\n".repeat(count));
    let documents = |count: usize| "---\n# c\n".repeat(count);
    let bad = |count: usize| "---\na: [\n".repeat(count);
    let blanks = |count: usize| format!("{}{}", "- a\n".repeat(count), " ".repeat(count * 4));
    let cases: [(&str, &Text<'_>, usize); 9] = [
        ("duplicates", &duplicates, 1_500),
        ("keys", &keys, 2_000),
        ("one line", &one_line, 20_000),
        ("flow", &flow, 4_000),
        ("items", &items, 10_000),
        ("comments", &comments, 5_000),
        ("documents", &documents, 2_000),
        ("bad", &bad, 1_000),
        ("blanks", &blanks, 5_000),
    ];
    for (name, text, count) in cases {
        let (few, many) = (text(count), text(count * 8));
        let (mut small, mut large) = (f64::MAX, f64::MAX);
        // Quadratic growth would be 64 times. Another load on the machine can only add: the least of up to five
        // interleaved runs counts, and the floor keeps the clock's own noise out.
        let linear = (0..5).any(|_| {
            (small, large) = (small.min(seconds(&few)), large.min(seconds(&many)));
            large < (small * 24.0).max(0.2)
        });
        assert!(linear, "{name}: {small:.4} s grew to {large:.4} s");
    }
}

#[test]
fn large_but_legal_texts_are_read() {
    let line = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  a: {}\n",
        "x".repeat(1 << 20)
    );
    let inventory = Inventory::from_text(&line);
    assert_eq!(inventory.objects().len(), 1);
    assert_eq!(reasons(&inventory.coverage), []);
    let keys = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n{}", "  a: b\n".repeat(100_000));
    let inventory = Inventory::from_text(&keys);
    assert!(inventory.coverage.is_incomplete());
    let told = reasons(&inventory.coverage);
    assert_eq!(told, vec![Reason::DuplicateKey; 41], "twenty at both places, then their number");
    assert!(inventory.coverage.blind.iter().any(|blind| blind.cause.starts_with("99979 more keys")));
    assert!(inventory.has_duplicate_keys(inventory.objects().next().unwrap().0));
    let items = format!("{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"l\": [{}1]}}", "1,".repeat(2_000_000));
    assert_eq!(Inventory::from_text(&items).objects().len(), 1);
    let too_many =
        format!("{{\"apiVersion\": \"v1\", \"kind\": \"X\", \"l\": [{}1]}}", "1,".repeat(8_000_000));
    let inventory = Inventory::read(Input::from_bytes("x.json", too_many.into_bytes()), &Options::default());
    assert_eq!(reasons(&inventory.coverage), [Reason::Budget]);
}
