//! `ringfence model allow`: a file of names and what is added to it -> its new text. An entry as it is written here, which the
//! new one says as well and for longer, is written anew; one of somebody's hand stays, and the new one stands behind it.

use std::fmt::Write as _;

use ringfence_model::Addition;

/// The new text of a file of names.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) text: String,
    /// What the text has to say.
    pub(super) meant: Vec<Addition>,
    /// How many entries were there already.
    pub(super) renewed: usize,
}

/// Puts `additions` into `before`, which says `old`, with its line ends.
pub(super) fn entries(before: &str, old: &[Addition], additions: &[Addition]) -> Entries {
    let toml = |one: &Addition| {
        let toml = one.to_toml();
        if before.contains("\r\n") { toml.replace('\n', "\r\n") } else { toml }
    };
    let end = if before.contains("\r\n") { "\r\n" } else { "\n" };
    let (mut text, mut meant, mut renewed) = (before.to_owned(), old.to_vec(), 0);
    let mut is_first = true;
    for one in additions {
        let own = meant.iter_mut().find(|own| renews(one, own) && text.contains(&toml(own)));
        if let Some(own) = own {
            text = text.replacen(&toml(own), &toml(one), 1);
            own.clone_from(one);
            renewed += 1;
            continue;
        }
        let gap = match (text.is_empty(), is_first && !text.ends_with('\n')) {
            (true, _) => String::new(),
            (false, true) => end.repeat(2),
            (false, false) => end.to_owned(),
        };
        // Writing to a String cannot fail.
        _ = write!(text, "{gap}{}", toml(one));
        meant.push(one.clone());
        is_first = false;
    }
    Entries { text, meant, renewed }
}

/// Whether `one` says all of `old`, for longer.
fn renews(one: &Addition, old: &Addition) -> bool {
    (&one.module, &one.name) == (&old.module, &old.name)
        && old.expires < one.expires
        && old.uses.iter().all(|what| one.uses.contains(what))
}

#[cfg(test)]
mod tests {
    use ringfence_model::Date;
    use ringfence_model::Use;

    use super::*;

    fn addition(name: &str, uses: &[Use], day: u32) -> Addition {
        Addition {
            module: "acme".to_owned(),
            name: name.to_owned(),
            uses: uses.to_vec(),
            owner: "ml".to_owned(),
            reason: "ours".to_owned(),
            expires: Date::new(2027, 1, day).unwrap(),
        }
    }

    #[test]
    fn an_entry_is_renewed_in_its_place_and_a_hand_written_one_stays() {
        let (old, other) = (addition("Block", &[Use::New], 1), addition("Other", &[Use::New], 1));
        let later = addition("Block", &[Use::New, Use::Build], 9);
        let file = |first: &Addition| {
            format!("# ours\n{}# theirs\n{}", first.to_toml(), other.to_toml()).replace('\n', "\r\n")
        };
        let new = entries(&file(&old), &[old.clone(), other.clone()], std::slice::from_ref(&later));
        assert_eq!((new.text, new.renewed), (file(&later), 1));
        assert_eq!(new.meant, [later, other]);
        // Neither where the new one says less, nor where a hand has written more.
        let less = addition("Block", &[], 9);
        assert_eq!(entries(&old.to_toml(), std::slice::from_ref(&old), &[less]).renewed, 0);
        let by_hand = old.to_toml().replace("[\"Block\"]", "[\"Block\", \"Other\"]");
        let later = addition("Block", &[Use::New], 9);
        let new = entries(&by_hand, std::slice::from_ref(&old), std::slice::from_ref(&later));
        assert_eq!((new.text, new.renewed), (format!("{by_hand}\n{}", later.to_toml()), 0));
    }
}
