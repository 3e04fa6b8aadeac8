//! Bringing one file: resumed where it was cut, tried again when the line stalls, checked before it gets its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use ureq::http::{Response, StatusCode, header};

use super::{
    checksum::Checksum,
    manifest::{Download, Size},
};

/// Downloads files; its fields bound how patient it is.
#[derive(Debug, Clone)]
pub struct Downloader {
    /// How long a connection may be silent.
    pub stall: Duration,
    /// How often to try again, over all addresses, when nothing more has arrived. A try that brought bytes is not counted.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles with each further one.
    pub pause: Duration,
    /// Longest pause, a server's own wish included.
    pub longest_pause: Duration,
}

/// Why a file could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// All addresses failed; what each said last. What has arrived is kept and the next call goes on from there.
    #[error("can't fetch {file} ({kept} of {}{} bytes are here; ask for it again to go on): {}", if matches!(size, Size::About(_)) { "about " } else { "" }, size.bytes(), reasons.join("; "))]
    Unreachable {
        /// Name of the file.
        file: String,
        /// Bytes that have arrived.
        kept: u64,
        /// Length of the whole file.
        size: Size,
        /// One sentence per address.
        reasons: Vec<String>,
    },
    /// Every address gave another file than the pinned one. It has been removed.
    #[error(
        "{file} is not the expected file: its {} is {}, expected {}; it was removed, since it may have been damaged on the way or replaced by its publisher", found.kind(), found.hex(), expected.hex()
    )]
    WrongChecksum {
        /// Name of the file.
        file: String,
        /// What was expected.
        expected: Checksum,
        /// What came.
        found: Checksum,
    },
    /// The disk refused.
    #[error("can't write {path}{}: {cause}", if cause.kind() == io::ErrorKind::StorageFull { " (the disk is full; what has arrived is kept)" } else { "" })]
    Disk {
        /// The file that was written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl Default for Downloader {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), attempts: 6, pause: Duration::from_secs(1), longest_pause: Duration::from_mins(2) }
    }
}

impl Downloader {
    /// Brings `download` into `folder` and returns its path. A file that is already there and whole is left as it is.
    ///
    /// Bytes collect in a `.part` file, which a later call goes on with. `progress` is told how many are there, of how many.
    ///
    /// # Errors
    /// [`DownloadError`]; no file stands under its final name then.
    pub fn fetch(&self, download: &Download, folder: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<PathBuf, DownloadError> {
        let path = folder.join(&download.file_name);
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |cause| DownloadError::Disk { path, cause }
        };
        fs::create_dir_all(folder).map_err(disk(folder))?;
        let checksum = |path: &Path| download.checksum.of_file(path).map_err(disk(path));
        if path.is_file() && checksum(&path)? == download.checksum {
            return Ok(path);
        }
        let part = folder.join(format!("{}.part", download.file_name));
        let mut wrong = None;
        // A wrong checksum may be the fault of one mirror, or of a part that another file left: each address gets one fresh try.
        for round in 0..=download.addresses.len() {
            let skip = round.saturating_sub(1);
            match self.complete(download, &download.addresses[skip..], &part, progress) {
                Ok(()) => {}
                Err(error) if wrong.is_none() || matches!(error, DownloadError::Disk { .. }) => return Err(error),
                Err(_) => continue,
            }
            let found = checksum(&part)?;
            if found == download.checksum {
                fs::rename(&part, &path).map_err(disk(&path))?;
                drop(fs::remove_file(validator_path(&part)));
                return Ok(path);
            }
            fs::remove_file(&part).map_err(disk(&part))?;
            wrong = Some(found);
        }
        let file = download.file_name.clone();
        match wrong {
            Some(found) => Err(DownloadError::WrongChecksum { file, expected: download.checksum.clone(), found }),
            None => Err(DownloadError::Unreachable { file, kept: 0, size: download.size, reasons: vec!["it has no address".into()] }),
        }
    }

    /// Goes on with `part` until it has its size.
    fn complete(
        &self,
        download: &Download,
        addresses: &[String],
        part: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), DownloadError> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(self.stall))
            .timeout_per_read(Some(self.stall))
            .http_status_as_error(false)
            .user_agent(concat!("torchboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let disk = |cause| DownloadError::Disk { path: part.to_owned(), cause };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part).map_err(disk)?;
        let mut reasons = vec![String::new(); addresses.len()];
        let mut dropped = vec![false; addresses.len()];
        let mut fruitless = 0;
        // Where the publisher rounds, the first good answer says how long the file is.
        let mut length = download.size.exact();
        while fruitless < self.attempts {
            let before = file.metadata().map_err(disk)?.len();
            if Some(before) == length {
                return Ok(());
            }
            let Some(choice) =
                (0..addresses.len()).map(|offset| (fruitless as usize + offset) % addresses.len()).find(|&index| !dropped[index])
            else {
                break;
            };
            let wait = match self.attempt(&agent, &addresses[choice], download.size, &mut length, (&mut file, part), progress) {
                Ok(()) => continue,
                Err(Failure::Disk(cause)) => return Err(disk(cause)),
                Err(Failure::Address { reason, wait, forever }) => {
                    reasons[choice] = format!("{}: {reason}", addresses[choice]);
                    dropped[choice] = forever;
                    if forever && addresses.len() > 1 { Some(Duration::ZERO) } else { wait }
                }
            };
            let brought_bytes = file.metadata().map_err(disk)?.len() > before;
            fruitless = if brought_bytes { 0 } else { fruitless + 1 };
            thread::sleep(wait.unwrap_or_else(|| self.pause * 2_u32.saturating_pow(fruitless.saturating_sub(1))).min(self.longest_pause));
        }
        let kept = file.metadata().map_err(disk)?.len();
        reasons.retain(|reason| !reason.is_empty());
        Err(DownloadError::Unreachable { file: download.file_name.clone(), kept, size: download.size, reasons })
    }

    /// One request, from where the part ends. `length` is that of the whole file, as soon as it is known to the byte.
    fn attempt(
        &self,
        agent: &ureq::Agent,
        address: &str,
        size: Size,
        length: &mut Option<u64>,
        (file, part): (&mut File, &Path),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Failure> {
        let mut have = file.seek(SeekFrom::End(0)).map_err(Failure::Disk)?;
        let mut request = agent.get(address);
        // Only the server that gave the first bytes can say whether they are still those of the file; its word is kept beside them.
        let validator = fs::read_to_string(validator_path(part))
            .ok()
            .and_then(|saved| saved.split_once('\n').map(|(from, tag)| (from == address, tag.to_owned())));
        match validator {
            Some((true, tag)) if have > 0 && have < size.most() => {
                request = request.header(header::RANGE, format!("bytes={have}-")).header(header::IF_RANGE, tag);
            }
            _ if have > 0 && have < size.most() => request = request.header(header::RANGE, format!("bytes={have}-")),
            _ => {}
        }
        let mut response = request.call().map_err(|error| Failure::passing(error.to_string()))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(have) => {}
            StatusCode::OK => {
                // The server has no ranges, or its file is another one now: from the start.
                file.set_len(0).and_then(|()| file.rewind()).map_err(Failure::Disk)?;
                have = 0;
                remember_validator(&response, address, part);
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                file.set_len(0).map_err(Failure::Disk)?;
                return Err(Failure::passing("it sent another part of the file than was asked for".into()));
            }
            status => return Err(Failure::from_status(status, retry_after(&response))),
        }
        if length.is_none() {
            *length = whole_length(&response).filter(|length| *length <= size.most());
        }
        let expected = length.unwrap_or_else(|| size.bytes());
        let most = length.unwrap_or_else(|| size.most());
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        progress(have, expected);
        loop {
            let count = body.read(&mut buffer).map_err(|error| Failure::passing(format!("the connection broke: {error}")))?;
            if count == 0 {
                break;
            }
            if have + count as u64 > most {
                file.set_len(0).map_err(Failure::Disk)?;
                return Err(Failure::lasting(format!("its file is larger than the expected {most} bytes")));
            }
            file.write_all(&buffer[..count]).map_err(Failure::Disk)?;
            have += count as u64;
            progress(have, expected);
        }
        match *length {
            Some(length) if have < length => Err(Failure::passing(format!("the connection ended after {have} of {length} bytes"))),
            Some(_) => Ok(()),
            // Nobody said how long the file is: what has come is all there is, and the checksum judges it.
            None => {
                *length = Some(have);
                Ok(())
            }
        }
    }
}

/// What went wrong with one request.
enum Failure {
    Disk(io::Error),
    Address {
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
        /// Whether asking it again is pointless.
        forever: bool,
    },
}

impl Failure {
    fn passing(reason: String) -> Self {
        Self::Address { reason, wait: None, forever: false }
    }

    fn lasting(reason: String) -> Self {
        Self::Address { reason, wait: None, forever: true }
    }

    fn from_status(status: StatusCode, wait: Option<Duration>) -> Self {
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT;
        Self::Address { reason: format!("it answered {status}"), wait, forever: !again }
    }
}

fn validator_path(part: &Path) -> PathBuf {
    part.with_extension("part.etag")
}

/// Keeps what tells whether the file on the server is still the same: a strong entity tag, or else its date.
fn remember_validator<B>(response: &Response<B>, address: &str, part: &Path) {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let validator = text(header::ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED));
    // Without it the checksum at the end still tells; the worst is to begin again.
    drop(match validator {
        Some(validator) => fs::write(validator_path(part), format!("{address}\n{validator}")),
        None => fs::remove_file(validator_path(part)),
    });
}

/// First byte of a partial answer: 100 for `bytes 100-199/200`.
fn range_start<B>(response: &Response<B>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Length of the whole file: after the slash of `bytes 100-199/200`, or of the body where that is the whole file.
fn whole_length<B>(response: &Response<B>) -> Option<u64> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status() == StatusCode::PARTIAL_CONTENT {
        return text(header::CONTENT_RANGE)?.rsplit_once('/')?.1.trim().parse().ok();
    }
    // Of a body that was compressed on its way this would be another length; ureq without its gzip feature asks for none.
    text(header::CONTENT_LENGTH)?.trim().parse().ok()
}

fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
