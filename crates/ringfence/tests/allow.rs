//! `ringfence model allow` and the names of a team through the real binary: only what was named is written, and it ends.
#![cfg(feature = "models")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a wrong assumption must end the test")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use ringfence_model::Date;
use support::Folder;
use support::Ran;
use support::command;
use support::run;

/// An object of `acme.nn.Block` with state, and a look-up of `acme.nn.Other`.
const MODEL: &[u8] = b"\x80\x02cacme.nn\nBlock\n)\x81}bcacme.nn\nOther\n\x86.";
const DENIED: &[u8] = b"cos\nsystem\n(S'echo hi'\ntR.";

/// A day so many days from today, in UTC.
fn day(days: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Date::from_unix(now.checked_add_signed(days * 86_400).unwrap()).to_string()
}

/// Runs the command in the test's folder.
fn within(folder: &Folder, arguments: &[&str]) -> Ran {
    command(&[&["model"], arguments].concat()).current_dir(folder.path()).output().unwrap().into()
}

/// Allows `names` in `names.toml`.
fn allow(folder: &Folder, names: &[&str], expires: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["allow", "models"];
    for name in names {
        arguments.extend(["--name", name]);
    }
    arguments.extend(["--owner", "ml-platform", "--reason", "our own layer", "--expires", expires]);
    arguments.extend(more);
    within(folder, &arguments)
}

fn names(folder: &Folder) -> String {
    std::fs::read_to_string(format!("{}/names.toml", folder.path())).unwrap_or_default()
}

#[test]
fn nothing_is_written_but_what_was_named() {
    let folder = Folder::new("allow-named");
    folder.write("models/m.pkl", MODEL);
    let listed = within(&folder, &["allow", "models"]).ends(1).out;
    for part in [
        "models: 2 names that no policy allows; nothing is written",
        "acme.nn.Block   new, build   in 1 file",
    ] {
        assert!(listed.contains(part), "no `{part}` in {listed}");
    }
    assert!(listed.contains("ringfence model allow models --name acme.nn.Block --owner TEAM"), "{listed}");
    assert_eq!(names(&folder), "");
    let until = day(30);
    let out = allow(&folder, &["acme.nn.Block"], &until, &["--to", "names.toml"]).ends(1).out;
    assert!(out.contains(&format!("acme.nn.Block (new, build) until {until}")), "{out}");
    let entry = "[[allow]]\nmodule = \"acme.nn\"\nnames = [\"Block\"]\nuses = [\"new\", \"build\"]\nowner = \"ml-platform\"\nreason = \"our own layer\"\n";
    assert_eq!(names(&folder), format!("{entry}expires = \"{until}\"\n"));
    // The other name is still one that nobody has judged; then it is judged, too.
    assert!(
        within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(1).out.contains("acme.nn.Other")
    );
    allow(&folder, &["acme.nn:Other"], &until, &["--to", "names.toml"]).ends(0);
    let scan = within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(0).out;
    let used = format!("allowed     acme.nn.Block until {until}, ml-platform: our own layer");
    assert!(scan.contains(&used) && scan.contains("with 2 additions"), "{scan}");
    // A second time there is nothing left to allow.
    let again = allow(&folder, &["acme.nn.Block"], &until, &["--to", "names.toml"]);
    assert_eq!((again.code, again.out.as_str()), (2, ""), "{again:#?}");
    let words = format!("acme.nn.Block: is allowed until {until} by ml-platform (names.toml)");
    assert!(again.err.contains(&words), "{}", again.err);
}

#[test]
fn an_entry_that_is_over_gives_the_finding_back_and_says_so() {
    let folder = Folder::new("allow-over");
    folder.write("models/m.pkl", MODEL);
    let both = ["acme.nn.Block", "acme.nn.Other"];
    allow(&folder, &both, &day(1), &["--to", "names.toml"]).ends(0);
    let document =
        within(&folder, &["scan", "models", "--allow", "names.toml", "--format", "json"]).ends(0).json();
    let addition = &document["additions"][0];
    assert_eq!((&addition["name"], &addition["expired"]), (&"Block".into(), &false.into()));
    let yesterday = day(-1);
    folder.write("names.toml", names(&folder).replace(&day(1), &yesterday));
    let scan = within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(1).out;
    let scan = scan.split_whitespace().collect::<Vec<_>>().join(" ");
    let finding =
        format!("makes an object of acme.nn.Block, whose addition by ml-platform expired on {yesterday}");
    for part in [&finding, &format!("expired acme.nn.Block on {yesterday}, ml-platform: our own layer")] {
        assert!(scan.contains(part.as_str()), "no `{part}` in {scan}");
    }
    let document =
        within(&folder, &["scan", "models", "--allow", "names.toml", "--format", "json"]).ends(1).json();
    assert_eq!(
        (&document["additions"][0]["expired"], &document["policy"]["additions"]),
        (&true.into(), &0.into())
    );
    let schema =
        std::fs::read_to_string(support::root().join("docs/schema/model-scan.v1.schema.json")).unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document), "{document}");
    // Its entries are written anew.
    allow(&folder, &both, &day(366), &["--to", "names.toml"]).ends(0);
    within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(0);
}

#[test]
fn a_later_day_renews_an_entry_before_its_last_day() {
    let folder = Folder::new("allow-renewed");
    folder.write("models/m.pkl", MODEL);
    let both = ["acme.nn.Block", "acme.nn.Other"];
    allow(&folder, &both, &day(10), &["--to", "names.toml"]).ends(0);
    folder.write("names.toml", format!("# of the ml team\n{}", names(&folder)));
    let before = names(&folder);
    let out = allow(&folder, &both[..1], &day(200), &["--allow", "names.toml"]).ends(0).out;
    assert!(out.contains("names.toml: 1 name renewed"), "{out}");
    assert_eq!(names(&folder), before.replacen(&day(10), &day(200), 1), "its day, and nothing else");
    let sooner = allow(&folder, &both[..1], &day(100), &["--allow", "names.toml"]);
    let words = format!("is allowed until {} by ml-platform (names.toml)", day(200));
    assert!(sooner.code == 2 && sooner.err.contains(&words), "{sooner:#?}");
}

#[test]
fn the_configuration_names_the_file_for_good() {
    let folder = Folder::new("allow-config");
    folder.write("models/m.pkl", MODEL);
    folder.write("names.toml", "# names of the ml team\r\n");
    folder.write("ringfence.yaml", "modelAllow: [names.toml]\n");
    std::fs::set_permissions(format!("{}/names.toml", folder.path()), std::fs::Permissions::from_mode(0o640))
        .unwrap();
    allow(&folder, &["acme.nn.Block", "acme.nn.Other"], &day(30), &[]).ends(0);
    let text = names(&folder);
    assert!(text.starts_with("# names of the ml team\r\n\r\n[[allow]]\r\n"), "{text}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "line ends are kept");
    let mode = std::fs::metadata(format!("{}/names.toml", folder.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "rights are kept");
    let scan = within(&folder, &["scan", "models"]).ends(0).out;
    let flat = scan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("with 2 additions by") && flat.contains("ringfence.yaml ("), "{scan}");
    let document = within(&folder, &["scan", "models", "--format", "json"]).ends(0).json();
    assert!(document["config"]["path"].as_str().unwrap().ends_with("/ringfence.yaml"), "{document}");
    // What is judged never decides what is clean: neither its own configuration, nor names that lie in it.
    std::fs::rename(
        format!("{}/ringfence.yaml", folder.path()),
        format!("{}/models/ringfence.yaml", folder.path()),
    )
    .unwrap();
    folder.write("models/names.toml", &text);
    let scan = within(&folder, &["scan", "models"]);
    assert_eq!(scan.code, 1, "{scan:#?}");
    let flat = scan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("ringfence.yaml decides nothing"), "{}", scan.out);
    folder.write("ringfence.yaml", "modelAllow: [models/names.toml]\n");
    let scan = within(&folder, &["scan", "models"]);
    assert_eq!((scan.code, scan.out.as_str()), (2, ""), "{scan:#?}");
    assert!(scan.err.contains("lies inside of what it would judge"), "{}", scan.err);
}

#[test]
fn a_result_takes_the_place_of_no_file_of_names() {
    let folder = Folder::new("allow-result");
    folder.write("models/m.pkl", MODEL);
    allow(&folder, &["acme.nn.Block", "acme.nn.Other"], &day(30), &["--to", "names.toml"]).ends(0);
    let (before, config) = (names(&folder), "modelAllow: [names.toml]\n");
    folder.write("ringfence.yaml", config);
    for arguments in [
        &["-o", "names.toml"][..],
        &["-o", "ringfence.yaml"],
        &["--allow", "names.toml", "-o", "names.toml"],
        &["--config", "ringfence.yaml", "-o", "ringfence.yaml"],
    ] {
        let ran = within(&folder, &[&["scan", "models"], arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
        assert!(ran.err.contains("which this call reads"), "{}", ran.err);
    }
    assert_eq!(names(&folder), before);
    assert_eq!(std::fs::read_to_string(format!("{}/ringfence.yaml", folder.path())).unwrap(), config);
}

#[test]
fn names_that_others_may_write_decide_nothing() {
    let folder = Folder::new("allow-others");
    folder.write("models/m.pkl", MODEL);
    allow(&folder, &["acme.nn.Block", "acme.nn.Other"], &day(30), &["--to", "names.toml"]).ends(0);
    folder.write("ringfence.yaml", "modelAllow: [names.toml]\n");
    let file = format!("{}/names.toml", folder.path());
    let refused = |words: &str| {
        for verb in ["scan", "allow"] {
            let ran = within(&folder, &[verb, "models"]);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
            assert!(ran.err.contains("modelAllow") && ran.err.contains(words), "{}", ran.err);
        }
        // Whoever names the configuration, or the file, answers for it.
        within(&folder, &["scan", "models", "--config", "ringfence.yaml"]).ends(0);
        within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(0);
    };
    let rights = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    rights(0o644);
    within(&folder, &["scan", "models"]).ends(0);
    rights(0o646);
    refused("can be written by everybody");
    // Only root can give a file to a group of others; the user's own group is nobody else.
    if std::os::unix::fs::chown(&file, None, Some(65_534)).is_ok() {
        rights(0o664);
        refused("can be written by its group");
    }
    rights(0o644);
    // Only root can give a file away.
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
        refused("belongs to another user");
    }
}

#[test]
fn names_that_came_with_what_is_judged_are_refused_though_named() {
    let folder = Folder::new("allow-inside");
    folder.write("models/m.pkl", MODEL);
    allow(&folder, &["acme.nn.Block", "acme.nn.Other"], &day(30), &["--to", "names.toml"]).ends(0);
    folder.write("models/names.toml", names(&folder));
    std::os::unix::fs::symlink("models/names.toml", format!("{}/link.toml", folder.path())).unwrap();
    for judged in ["models", "models/m.pkl"] {
        for file in ["models/names.toml", "link.toml"] {
            for arguments in [["scan", judged, "--allow", file], ["allow", judged, "--allow", file]] {
                let ran = within(&folder, &arguments);
                assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:#?}");
                assert!(ran.err.contains("--allow") && ran.err.contains("lies inside of"), "{}", ran.err);
            }
        }
        let ran = within(&folder, &["scan", judged, "--allow", "names.toml"]);
        assert!(ran.err.is_empty() && ran.out.contains("with 2 additions"), "{ran:#?}");
    }
}

#[test]
fn a_cache_of_links_does_not_decide_what_is_clean() {
    let folder = Folder::new("allow-cache");
    folder.write("models/m.pkl", MODEL);
    allow(&folder, &["acme.nn.Block", "acme.nn.Other"], &day(30), &["--to", "names.toml"]).ends(0);
    folder.write("hub/blobs/m.pkl", MODEL);
    folder.write("hub/blobs/names.toml", names(&folder));
    folder.write("hub/blobs/ringfence.yaml", "modelAllow: [names.toml]\n");
    let snapshot = format!("{}/hub/snapshots/abc", folder.path());
    std::fs::create_dir_all(&snapshot).unwrap();
    for name in ["m.pkl", "names.toml", "ringfence.yaml"] {
        std::os::unix::fs::symlink(format!("../../blobs/{name}"), format!("{snapshot}/{name}")).unwrap();
    }
    let scan = |path: &str| -> Ran {
        command(&["model", "scan", path]).current_dir(&snapshot).output().unwrap().into()
    };
    let whole = format!("{snapshot}/m.pkl");
    for path in ["m.pkl", "./m.pkl", &whole] {
        let out = scan(path).ends(1).out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains("hub/snapshots/abc/ringfence.yaml decides nothing"), "{out}");
    }
}

#[test]
fn what_may_not_be_allowed_is_refused_and_nothing_is_written() {
    let folder = Folder::new("allow-refused");
    folder.write("models/m.pkl", MODEL);
    folder.write("models/evil.pkl", DENIED);
    let listed = within(&folder, &["allow", "models"]).ends(1).out;
    assert!(listed.contains("os.system: never: it starts programs"), "{listed}");
    let to = ["--to", "names.toml"];
    let soon = day(30);
    for (ran, hint) in [
        (allow(&folder, &["os.system"], &soon, &to), "cannot be allowed: it starts programs"),
        (allow(&folder, &["acme.nn.Blocks"], &soon, &to), "is not looked up; did you mean acme.nn.Block?"),
        (
            allow(&folder, &["acme.nn.Block"], &day(-1), &to),
            &format!("--expires {}: is over; at most 366 days from today", day(-1)),
        ),
        (allow(&folder, &["acme.nn.Block"], &day(367), &to), "at most 366 days"),
        (allow(&folder, &["acme.nn.Block"], "2027-02-30", &to), "2027-02-30"),
        (allow(&folder, &["acme.nn.Block"], &soon, &[]), "--to"),
        (
            allow(&folder, &["acme.nn.Block"], &soon, &["--to", "models/names.toml"]),
            "--to models/names.toml: lies inside",
        ),
        (
            allow(&folder, &["acme.nn.Block"], &soon, &[&to[..], &["--use", "odd-arguments"]].concat()),
            "no use",
        ),
        (within(&folder, &["allow", "models", "--name", "acme.nn.Block"]), "--owner"),
        (within(&folder, &["allow", "models", "--owner", "x"]), "--name"),
        (within(&folder, &["allow", "none"]), "none"),
    ] {
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{hint}: {ran:#?}");
        assert!(ran.err.contains(hint), "no `{hint}` in {}", ran.err);
    }
    let blank = within(
        &folder,
        &[
            "allow",
            "models",
            "--name",
            "acme.nn.Block",
            "--owner",
            " ",
            "--reason",
            "x",
            "--expires",
            &soon,
            "--to",
            "names.toml",
        ],
    );
    assert_eq!((blank.code, blank.out.as_str()), (2, ""), "{blank:#?}");
    // An entry that lapsed yesterday is no way to write one either: the file as a whole has to be right.
    folder.write("names.toml", "[[allow]]\nmodule = \"os\"\n");
    assert_eq!(allow(&folder, &["acme.nn.Block"], &soon, &to).code, 2);
    assert_eq!(names(&folder), "[[allow]]\nmodule = \"os\"\n");
    assert!(!Path::new(&format!("{}/models/names.toml", folder.path())).try_exists().unwrap());
}

#[test]
fn a_name_that_would_be_a_command_of_the_shell_is_shown_and_not_proposed() {
    let folder = Folder::new("allow-shell");
    let name = "x;echo\u{1b}[2J $(id)";
    folder.write("models/m.pkl", [b"\x80\x02cacme\n", name.as_bytes(), b"\n)\x81."].concat());
    let listed = run(&["model", "allow", &format!("{}/models", folder.path())]).ends(1).out;
    assert!(listed.contains("1 name that no policy allows"), "{listed}");
    assert!(!listed.contains('\u{1b}') && !listed.contains("--name"), "{listed}");
    // Whoever means it all the same names it exactly.
    let dotted = format!("acme.{name}");
    allow(&folder, &[&dotted], &day(30), &["--to", "names.toml"]).ends(0);
    assert!(names(&folder).contains("names = [\"x;echo\\u001B[2J $(id)\"]"), "{}", names(&folder));
    within(&folder, &["scan", "models", "--allow", "names.toml"]).ends(0);
}
