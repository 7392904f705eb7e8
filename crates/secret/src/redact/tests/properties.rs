//! Room `secret`, tests: what the redactor never does, whatever the text.

use proptest::prelude::*;

use super::keys;
use super::mark;
use super::mask;
use crate::redact::MASK;
use crate::redact::Redactor;
use crate::redact::value;
use crate::synthetic;

fn key_and_text() -> impl Strategy<Value = (String, String)> {
    let ids: Vec<&str> = synthetic::detectors().collect();
    let around = prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9_ :=\"'{},\\-\n]{0,40}",
        Just("api_key: ".to_owned()),
        Just("\\\"token\\\":\\\"".to_owned()),
    ];
    (proptest::sample::select(ids), any::<u64>(), around.clone(), around).prop_map(
        |(id, seed, before, after)| {
            let key = synthetic::key(id, seed).unwrap();
            (format!("{before}{key}{after}"), key)
        },
    )
}

/// Pieces with two keys among them.
fn two_keys() -> impl Strategy<Value = String> {
    let ids: Vec<&str> = synthetic::detectors().collect();
    let key = (proptest::sample::select(ids), any::<u64>())
        .prop_map(|(id, seed)| synthetic::key(id, seed).unwrap());
    (pieces(), key.clone(), pieces(), key, pieces())
        .prop_map(|(before, one, between, two, after)| format!("{before}{one}{between}{two}{after}"))
}

/// Text of the pieces that the redactor looks for, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "password",
            "token",
            "name",
            "value",
            "data",
            "stringData",
            "kind: Secret",
            ": ",
            ":",
            "=",
            "\"",
            "'",
            "\\\"",
            "{",
            "}",
            "[",
            "]",
            ",",
            " ",
            "\n",
            "\n  ",
            "\n- ",
            "  ",
            "- ",
            "--",
            "#",
            "|",
            "|\n",
            "://",
            "@",
            "&",
            ";",
            "$(",
            "${",
            "{{",
            "}}",
            ")",
            "‹masked›",
            "abcd…yz (20 chars)",
            "…",
            "true",
            "é",
            "Bearer ",
            "hunter2",
            "hf_",
            "-----BEGIN PRIVATE KEY-----",
            "-----END",
            "secretKeyRef",
            "items",
            "\t",
            "\r\n",
            "---\n",
            "!",
            "*",
            "requirepass ",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_seven_characters_of_a_key_survive((text, key) in key_and_text()) {
        let masked = mask(&text);
        for part in key.as_bytes().windows(7) {
            let part = std::str::from_utf8(part).unwrap();
            // Text around the key may hold the same characters.
            let elsewhere = text.replacen(&key, "\n", 1).contains(part);
            prop_assert!(elsewhere || !masked.contains(part), "{masked}");
        }
    }

    #[test]
    fn masking_twice_changes_nothing(text in prop_oneof![pieces(), any::<String>(), key_and_text().prop_map(|pair| pair.0)]) {
        let once = mask(&text);
        prop_assert_eq!(mask(&once), once);
    }

    #[test]
    fn a_marked_text_holds_the_keys_of_its_original(text in prop_oneof![pieces(), any::<String>(), key_and_text().prop_map(|pair| pair.0), two_keys()]) {
        let marked = mark(&text);
        prop_assert_eq!(keys(&marked), keys(&text), "{}", marked);
        prop_assert_eq!(mark(&marked), marked);
    }

    #[test]
    fn a_marked_text_is_shown_as_its_original((text, _) in key_and_text()) {
        prop_assert_eq!(mask(&mark(&text)), mask(&text), "{}", mark(&text));
    }

    #[test]
    fn no_seven_characters_of_a_key_survive_in_a_marked_text((text, key) in key_and_text()) {
        let marked = Redactor::shared().mark_text(&text).into_owned();
        for part in key.as_bytes().windows(7) {
            let part = std::str::from_utf8(part).unwrap();
            // Text around the key, and the name of its shape, may hold the same characters.
            let elsewhere = text.replacen(&key, "\n", 1).contains(part) || synthetic::detectors().any(|id| id.contains(part));
            prop_assert!(elsewhere || !marked.contains(part), "{marked}");
        }
    }

    #[test]
    fn lines_keep_their_numbers(text in pieces()) {
        prop_assert_eq!(mask(&text).matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn ranges_stay_inside_whole_characters(text in prop_oneof![pieces(), any::<String>()], start in 0..200_usize, length in 0..50_usize) {
        let (masked, range) = Redactor::shared().mask_with_range(&text, start..start + length);
        prop_assert!(masked.get(range).is_some());
    }

    #[test]
    fn a_password_of_any_text_is_gone(secret in "[!-~]{1,20}", at in 0..4_usize) {
        let written = |secret: &str| {
            let json = format!("\"{}\"", secret.replace('\\', "\\\\").replace('"', "\\\""));
            match at {
                0 => format!("zz: 1\npassword: {json}\nzz: 2"),
                1 => format!("{{\"zz\":1,\"password\":{json},\"zz\":2}}"),
                2 => format!("- name: DB_PASSWORD\n  value: {json}\n- zz"),
                _ => format!("password: '{}'\nzz: 2", secret.replace('\'', "''")),
            }
        };
        let text = written(&secret);
        let expected = if value::is_visible(&secret) { text.clone() } else { written(MASK) };
        prop_assert_eq!(mask(&text), expected);
    }
}
