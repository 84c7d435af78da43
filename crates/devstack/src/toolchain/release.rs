//! The Temporal CLI as an archive of its release on GitHub, checked against a pinned checksum.

use std::{
    env::consts::{ARCH, OS},
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER;
use flate2::read::GzDecoder;
use reqwest::{Client, Response};
use sha2::{Digest, Sha256};
use tar::Archive;
use tempfile::NamedTempFile;
use tokio::time::timeout;

use crate::progress::Progress;

/// The version that the build from the Go module makes, so that all tests use the same server.
const VERSION: &str = "1.5.1";

/// Operating system, architecture and SHA-256 of each archive of the release.
///
/// The values are those of `temporal-cli.hcl` in <https://github.com/cashapp/hermit-packages>. For a
/// new version, take them from `checksums.txt` of the release.
const ARCHIVES: [(&str, &str, &str); 4] = [
    (
        "linux",
        "amd64",
        "ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d",
    ),
    (
        "linux",
        "arm64",
        "bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5",
    ),
    (
        "darwin",
        "amd64",
        "bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9",
    ),
    (
        "darwin",
        "arm64",
        "cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415",
    ),
];

/// The file name of the program in the archive.
const PROGRAM: &str = "temporal";

/// The longest wait for the first byte. A firewall that drops packets costs this time.
const FIRST_BYTE: Duration = Duration::from_secs(8);
const DOWNLOAD: Duration = Duration::from_secs(15 * 60);

/// The path of the downloaded program.
pub(super) fn program_path(cache: &Path) -> PathBuf {
    cache.join(format!("temporal-{VERSION}"))
}

/// Downloads the program for this machine into the cache.
pub(super) async fn download_temporal(cache: &Path, progress: &Progress) -> Result<PathBuf> {
    let (os, arch, checksum) = archive_for(OS, ARCH)?;
    let url = format!(
        "https://github.com/temporalio/cli/releases/download/v{VERSION}/temporal_cli_{VERSION}_{os}_{arch}.tar.gz"
    );
    let program = program_path(cache);
    install(&url, checksum, &program, progress).await?;
    progress.report(format!("Temporal: stored in {}", program.display()));
    Ok(program)
}

/// Returns the archive for an operating system and an architecture, by Rust's names of them.
fn archive_for(os: &str, arch: &str) -> Result<(&'static str, &'static str, &'static str)> {
    let os = if os == "macos" { "darwin" } else { os };
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    ARCHIVES
        .into_iter()
        .find(|(known_os, known_arch, _)| (*known_os, *known_arch) == (os, arch))
        .with_context(|| format!("Temporal {VERSION} has no archive for {os} on {arch}"))
}

/// Downloads an archive, checks it and unpacks the program.
async fn install(url: &str, checksum: &str, program: &Path, progress: &Progress) -> Result<()> {
    // reqwest uses the default provider of the process, and there is none before the first use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(FIRST_BYTE)
        .build()
        .context("failed to set up HTTP")?;
    let response = timeout(FIRST_BYTE, client.get(url).send())
        .await
        .with_context(|| format!("{url}: no response within {} s", FIRST_BYTE.as_secs()))?
        .and_then(Response::error_for_status)
        .with_context(|| format!("{url}: the request failed"))?;
    let line = || "Temporal: downloading".to_owned();
    let archive = timeout(DOWNLOAD, progress.report_while(line, response.bytes()))
        .await
        .with_context(|| format!("{url}: not complete after {} s", DOWNLOAD.as_secs()))?
        .with_context(|| format!("{url}: the download was interrupted"))?;
    let actual = HEXLOWER.encode(&Sha256::digest(&archive));
    if actual != checksum {
        bail!("{url}: the SHA-256 is {actual}, but must be {checksum}");
    }
    unpack(&archive, program)
}

/// Unpacks the program beside its final path and renames it, so that an interrupted process leaves
/// no incomplete program.
fn unpack(archive: &[u8], program: &Path) -> Result<()> {
    let folder = program
        .parent()
        .context("the program's path has no folder")?;
    let mut file = NamedTempFile::new_in(folder)
        .with_context(|| format!("failed to create a file in {}", folder.display()))?;
    let mut archive = Archive::new(GzDecoder::new(archive));
    for entry in archive.entries().context("the archive cannot be read")? {
        let mut entry = entry.context("the archive cannot be read")?;
        if entry.path().is_ok_and(|path| *path == *Path::new(PROGRAM)) {
            std::io::copy(&mut entry, &mut file).context("failed to unpack the archive")?;
            fs::set_permissions(file.path(), Permissions::from_mode(0o755))
                .context("failed to make the program executable")?;
            file.persist(program)
                .with_context(|| format!("failed to move the program to {}", program.display()))?;
            return Ok(());
        }
    }
    bail!("the archive does not contain the file {PROGRAM}")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn archive_with(name: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o755);
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        archive.append_data(&mut header, name, &b"ok"[..]).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    /// Serves one response and returns its URL.
    fn serve(status: &'static str, body: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/temporal.tar.gz", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
        });
        url
    }

    #[tokio::test]
    async fn archive_with_the_pinned_checksum_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("temporal-1");
        let archive = archive_with(PROGRAM);
        let checksum = HEXLOWER.encode(&Sha256::digest(&archive));
        let url = serve("200 OK", archive);
        install(&url, &checksum, &program, &Progress::silent())
            .await
            .unwrap();
        assert_eq!(fs::read(&program).unwrap(), b"ok");
        let mode = fs::metadata(&program).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[tokio::test]
    async fn bad_download_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("temporal-1");
        let other = archive_with("other");
        let checksum = HEXLOWER.encode(&Sha256::digest(&other));
        for (status, archive, checksum, problem) in [
            (
                "200 OK",
                archive_with(PROGRAM),
                checksum.as_str(),
                "the SHA-256 is",
            ),
            (
                "200 OK",
                other,
                checksum.as_str(),
                "does not contain the file temporal",
            ),
            ("404 Not Found", Vec::new(), "", "the request failed"),
        ] {
            let url = serve(status, archive);
            let error = install(&url, checksum, &program, &Progress::silent()).await;
            let error = format!("{:#}", error.unwrap_err());
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn each_supported_machine_has_an_archive() {
        for (os, arch) in [
            ("linux", "x86_64"),
            ("linux", "aarch64"),
            ("macos", "aarch64"),
        ] {
            let (.., checksum) = archive_for(os, arch).unwrap();
            assert_eq!(HEXLOWER.decode(checksum.as_bytes()).unwrap().len(), 32);
        }
        assert!(archive_for("linux", "riscv64").is_err());
    }
}
