//! Rotates the logs of a long-running stack: copies a long log to `….log.1` and truncates it.
//!
//! The servers keep their logs open and append to them, so a log cannot be renamed. Lines that are
//! written between copy and truncation are lost. `orderflow logs` detects a shorter file and
//! continues from its beginning.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::interval;

use crate::progress::Progress;

/// The longest log in bytes; `orderflow logs` shows less.
const LONGEST: u64 = 32 << 20;
const LOOK: Duration = Duration::from_secs(15);

/// Rotates the logs in this folder until the task is aborted.
pub(crate) async fn rotate_logs(folder: PathBuf, progress: Progress) {
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        if let Err(error) = shorten(&folder, LONGEST) {
            progress.report(format!(
                "{}: failed to rotate a log: {error}",
                folder.display()
            ));
        }
    }
}

pub(crate) fn shorten(folder: &Path, longest: u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && path.metadata()?.len() > longest {
            fs::copy(&path, path.with_extension("log.1"))?;
            File::options().write(true).open(&path)?.set_len(0)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn long_log_is_truncated_while_its_writer_appends() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("api.log");
        let mut server = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        server.write_all(b"old\n").unwrap();
        shorten(folder.path(), 4).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "old\n");
        server.write_all(b"and more\n").unwrap();
        shorten(folder.path(), 4).unwrap();
        server.write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "new\n");
        assert_eq!(
            fs::read_to_string(folder.path().join("api.log.1")).unwrap(),
            "old\nand more\n"
        );
    }
}
