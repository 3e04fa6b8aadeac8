//! A certificate of our own making, for a network where nobody gives one. It is kept, so that a browser asks about it once.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use sha2::{Digest as _, Sha256};

use crate::web::Certificate;

/// What [`of_our_own`] found or made.
pub struct Made {
    /// Where it is.
    pub files: Certificate,
    /// SHA-256 of it, as browsers write it.
    pub fingerprint: String,
}

/// So long one is good for: browsers refuse those of more than 825 days.
const LIFETIME: Duration = DAY.saturating_mul(800);
/// One is made anew so long before the last ends, so that it doesn't end while a server runs.
const DAYS_LEFT: Duration = DAY.saturating_mul(60);
const DAY: Duration = Duration::from_hours(24);

/// For whom one was made, and until when: kept beside it, since nothing here reads certificates.
#[derive(serde::Serialize, serde::Deserialize)]
struct About {
    names: BTreeSet<String>,
    /// Seconds since 1970.
    ends_s: u64,
    fingerprint: String,
}

/// The certificate of `folder`, made anew when there is none, it ends soon, or it is not for all of `names` (host names and addresses).
///
/// # Errors
/// When the folder can't be written.
pub fn of_our_own(folder: &Path, mut names: BTreeSet<String>) -> anyhow::Result<Made> {
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let files = Certificate { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    let about = folder.join("about.json");
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let kept: Option<About> = fs::read(&about).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let is_whole = files.certificate.exists() && files.key.exists();
    if let Some(kept) = kept.filter(|kept| is_whole && names.is_subset(&kept.names) && now + DAYS_LEFT < Duration::from_secs(kept.ends_s)) {
        return Ok(Made { files, fingerprint: kept.fingerprint });
    }
    let ends = now + LIFETIME;
    let (certificate, key) = make(&names, now, ends)?;
    let fingerprint: Vec<String> = Sha256::digest(certificate.der()).iter().map(|byte| format!("{byte:02X}")).collect();
    let made = About { names, ends_s: ends.as_secs(), fingerprint: fingerprint.join(":") };
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        write_private(folder, &files.key, key.serialize_pem().as_bytes())?;
        write_private(folder, &files.certificate, certificate.pem().as_bytes())?;
        // The last to be written vouches for the two others.
        write_private(folder, &about, &serde_json::to_vec_pretty(&made)?)
    };
    if about.exists() {
        fs::remove_file(&about)?; // it speaks of the certificate before
    }
    write().with_context(|| format!("can't keep a certificate in {}", folder.display()))?;
    Ok(Made { files, fingerprint: made.fingerprint })
}

fn make(names: &BTreeSet<String>, now: Duration, ends: Duration) -> anyhow::Result<(rcgen::Certificate, KeyPair)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "Torchboard");
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(DAY); // clocks of others may be behind
    params.not_after = epoch + ends;
    Ok((params.self_signed(&key)?, key))
}

/// Readable by its owner alone, and visible whole or not at all.
fn write_private(folder: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?; // for its owner alone from the start
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_kept_until_it_ends_or_is_for_too_few() {
        let folder = tempfile::tempdir().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let first = of_our_own(folder.path(), names(&["lab.example", "192.168.1.5"])).unwrap();
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        assert_eq!(fs::metadata(&first.files.key).unwrap().permissions().mode() & 0o777, 0o600);
        let again = of_our_own(folder.path(), names(&["lab.example"])).unwrap();
        assert_eq!(again.fingerprint, first.fingerprint);
        let more = of_our_own(folder.path(), names(&["lab.example", "192.168.1.6"])).unwrap();
        assert_ne!(more.fingerprint, first.fingerprint, "it is for another address");
        let about = folder.path().join("about.json");
        let mut ending: About = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
        ending.ends_s = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + 59 * DAY).as_secs();
        fs::write(&about, serde_json::to_vec(&ending).unwrap()).unwrap();
        assert_ne!(of_our_own(folder.path(), names(&["lab.example"])).unwrap().fingerprint, more.fingerprint, "it ends soon");
        fs::remove_file(&more.files.key).unwrap();
        assert!(of_our_own(folder.path(), names(&["lab.example"])).unwrap().files.key.exists());
    }
}
