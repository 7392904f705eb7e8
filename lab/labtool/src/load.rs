//! What a container does to be seen: print what it was given, or take memory until it is killed.

use std::fs;
use std::io;
use std::io::Write;

use crate::serve::invalid;

pub(crate) fn env(name: &str) -> io::Result<()> {
    let value = std::env::var_os(name)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no variable {name}")))?;
    writeln!(io::stdout(), "{}", value.to_string_lossy())
}

pub(crate) fn cat(file: &str) -> io::Result<()> {
    io::stdout().write_all(&fs::read(file)?)
}

/// Writes to each page: memory that was only asked for is not counted by the cgroup.
pub(crate) async fn eat(mib: &str) -> io::Result<()> {
    let count: usize = mib.parse().map_err(|error| invalid("MIB", mib, &error))?;
    let mut eaten = Vec::new();
    for byte in 1..=count {
        eaten.push(vec![u8::try_from(byte % 255).unwrap_or(0) + 1; 1 << 20]);
    }
    crate::verdict::say(&format!("ate {} MiB", eaten.len()));
    std::future::pending::<()>().await;
    drop(eaten);
    Ok(())
}
