//! `cargo xtask help`: a line per task, what it needs and how long it takes.

use crate::failure::Failure;

const HELP: &str = "\
Tasks of the project. Times are for two cores; the first run also compiles the dependencies.

  cargo xtask gen           write the generated files (docs, schema, lists): runs their owners' tests
                            with UPDATE=1                                                       1 min
  cargo xtask fmt           format every .rs file of the repository, also those that a build
                            script collects and `cargo fmt` does not see                       seconds
  cargo xtask check         first lines, dependency comments, format, licences and bans, lints,
                            generated files fresh; installs nothing                             2 min
  cargo xtask test          says what it installs, installs it, runs every test and closes with
                            `N passed, N failed, N skipped`; offline after the first run
                            needs: a C compiler; Go for the YAML judge (else counted skips)    10 min
                            with Go 1.26: builds a real Kubernetes, once for this user (see lab);
                            as root on Debian: installs containerd and what a node needs
  cargo xtask lab up        a real Kubernetes 1.36 for this shell: eval \"$(cargo xtask lab up)\",
                            then kubectl; needs Go 1.26 and, for real nodes, root     4 s; first 10 min
  cargo xtask lab help      its other commands: exec, down, status, sweep, fill, bench
  cargo xtask install cosign
                            builds cosign, once for this user: its tests run in `cargo xtask test`
                            from then on, and are counted as skipped before; needs Go 1.26     200 CPU-seconds
  cargo xtask bench scan    Ringfence beside Checkov on a generated repository, three
                            interleaved runs; needs python3 with venv and 2 GB of memory       10 min
  cargo xtask bench admission  what the policies of a domain cost the API server for each pod       5 min
  cargo xtask bench build   CPU-seconds of a cold release build                                 3 min
  cargo xtask bench domain  a controller that keeps 1,000 namespaces, on a lab of its own          15 min
  cargo xtask bench live    the scan of a cluster of 10,000 pods, on a lab of its own           5 min
  cargo xtask bench models  the scan of models beside picklescan, interleaved; needs python3 with venv  3 min
  cargo xtask bench sign    signing and verifying beside model-signing, interleaved; needs python3
                            with venv, 9 GB of disk and, to stay in memory, of RAM              5 min
  cargo xtask bench yaml    the YAML reader alone                                               1 min
  cargo xtask bench benign  ordinary models by the libraries of their formats, and how many are not
                            clean; installs them, torch among them: 7 GB of disk                10 min
  cargo xtask bench pickles [--from SEED] COUNT
                            random pickles with CPython as the judge of their names   2,500 a CPU-second
  cargo xtask bench tree [--objects N] DIR
                            write the generated repository, or N objects, into an empty DIR    seconds

Tools are kept in $XDG_CACHE_HOME/ringfence/tools, or ~/.cache/ringfence/tools: remove the folder to
start over. How to add a control, a format or a source: CONTRIBUTING.md.";

#[expect(clippy::unnecessary_wraps, reason = "every task has one signature")]
pub(crate) fn run() -> Result<(), Failure> {
    println!("{HELP}");
    Ok(())
}
