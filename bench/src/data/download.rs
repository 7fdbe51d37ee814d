//! Downloads with a checksum: a file appears under its name only when it is whole and right.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use tempfile::Builder;
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::DataError;

/// Where missing sets are downloaded from.
#[derive(Clone, Debug, Default)]
pub enum Mirror {
    /// From their authors.
    #[default]
    Official,
    /// From `ADDRESS/SET/FILE`, which is how a folder of data sets looks when served over HTTP.
    At(String),
}

impl Mirror {
    pub(super) fn url(&self, set: &PublicSet, file: &Remote) -> String {
        match self {
            Self::Official => format!("{}{}", set.base, file.name),
            Self::At(base) => format!("{}/{}/{}", base.trim_end_matches('/'), set.name, file.name),
        }
    }
}

/// A set that its authors publish.
pub(super) struct PublicSet {
    /// Its name, and that of its folder.
    pub(super) name: &'static str,
    /// The page to read about it.
    pub(super) page: &'static str,
    /// Address of its files, with a slash at the end.
    pub(super) base: &'static str,
}

/// A published file.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) name: &'static str,
    /// SHA-256 in hexadecimal.
    pub(super) sha256: &'static str,
    /// Whether the checksum is that of the decompressed content, which outlives recompression.
    pub(super) of_content: bool,
}

/// Downloads `file` from `url` into `folder`.
pub(super) fn fetch(
    url: &str,
    file: &Remote,
    folder: &Path,
    progress: bool,
) -> Result<PathBuf, DataError> {
    let download = |source: ureq::Error| DataError::Download {
        url: url.into(),
        source: source.into(),
    };
    fs::create_dir_all(folder).map_err(|source| DataError::Io {
        path: folder.into(),
        source,
    })?;
    let path = folder.join(file.name);
    let io = |source| DataError::Io {
        path: path.clone(),
        source,
    };

    let response = agent().get(url).call().map_err(download)?;
    let expected = response.body().content_length();
    let bar = bar(progress, file.name, expected);
    let body = bar.wrap_read(response.into_body().into_reader());
    // Removed when dropped, unless it is given its name.
    let mut part = part_file(folder).map_err(io)?;
    let (got, end) = pour(body, part.as_file_mut()).map_err(io)?;
    bar.finish_and_clear();
    match (expected, end) {
        (Some(expected), _) if got < expected => {
            return Err(DataError::Truncated {
                path: url.into(),
                expected,
                got,
            });
        }
        (_, Err(source)) => return Err(download(source.into())),
        (_, Ok(())) => {}
    }

    let reader = File::open(part.path()).map_err(io)?;
    let got = match file.of_content {
        true => sha256(MultiGzDecoder::new(io::BufReader::new(reader))),
        false => sha256(reader),
    };
    let got = got.unwrap_or_else(|error| error.to_string());
    if got != file.sha256 {
        return Err(DataError::Checksum {
            path: url.into(),
            expected: file.sha256.into(),
            got,
        });
    }
    part.persist(&path).map_err(|error| io(error.error))?;
    Ok(path)
}

fn agent() -> Agent {
    let provider = Arc::new(rustls_graviola::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let seconds = |s| Some(Duration::from_secs(s));
    let config = Agent::config_builder().tls_config(tls);
    config
        .timeout_connect(seconds(30))
        .timeout_recv_response(seconds(60))
        .build()
        .new_agent()
}

fn bar(progress: bool, name: &'static str, length: Option<u64>) -> ProgressBar {
    if !progress {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    length
        .map_or_else(ProgressBar::no_length, ProgressBar::new)
        .with_style(style)
        .with_message(name)
}

fn part_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".part-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Others may read the set too, as far as the user's mask allows.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Copies, and tells a source that broke off (inner error) from a disk that failed (outer error).
fn pour(mut from: impl Read, to: &mut impl Write) -> io::Result<(u64, io::Result<()>)> {
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break to.flush().map(|()| (total, Ok(()))),
            Ok(n) => {
                to.write_all(&buffer[..n])?;
                total += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Ok((total, Err(error))),
        }
    }
}

fn sha256(mut from: impl Read) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => {
                return Ok(digest
                    .finalize()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect());
            }
            n => digest.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests;
