//! What the terminal can show: colour, characters, width.

use std::env;
use std::io::IsTerminal as _;
use std::io::stdout;

use ringfence_report::Style;

use crate::cli::Color;

/// Columns when nobody says.
const DEFAULT_WIDTH: usize = 100;

/// Style for stdout.
pub(crate) fn style(color: Color, verbose: bool, quiet: bool) -> Style {
    let terminal = stdout().is_terminal();
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        // https://no-color.org, and logs of CI systems keep escapes as garbage.
        Color::Auto => {
            terminal && !set("NO_COLOR") && !set("CI") && env::var("TERM").is_ok_and(|term| term != "dumb")
        }
    };
    Style { color, unicode: unicode(), width: width(terminal), verbose, quiet, program: program() }
}

/// Columns of a line on stdout.
#[cfg(feature = "domain")]
pub(crate) fn columns() -> usize {
    width(stdout().is_terminal())
}

fn program() -> &'static str {
    if crate::cli::is_plugin(env::args_os().next().as_deref()) { "kubectl ringfence" } else { "ringfence" }
}

/// POSIX: the first of these that is set decides the character set.
fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn width(terminal: bool) -> usize {
    let told = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured =
        || terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0));
    told.or_else(measured).unwrap_or(DEFAULT_WIDTH).clamp(Style::MIN_WIDTH, 200)
}
