//! Keeps the logs of a stack that stays from filling the disk: one that has grown too long is begun again, and what it
//! had is kept as `….log.1` until the next time.
//!
//! The servers hold their logs open and append, so a log is copied and cut, not renamed. Lines that are written in the
//! moment between the two are lost; `orderflow logs` notices that a file is shorter and goes on from its beginning.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::interval;

use crate::progress::Progress;

/// What `orderflow logs` can look back on is less.
const LONGEST: u64 = 32 << 20;
const LOOK: Duration = Duration::from_secs(15);

/// Looks after every log in this folder until it is aborted.
pub(crate) async fn rotate_logs(folder: PathBuf, progress: Progress) {
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        if let Err(error) = shorten(&folder, LONGEST) {
            progress.report(format!(
                "failed to shorten a log in {}: {error}",
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
    fn a_log_that_is_too_long_is_begun_again_by_who_writes_it() {
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
