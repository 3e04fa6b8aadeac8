//! Links that show others what a page showed when they were made.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Store,
    audit::{at, audit},
    now_ms,
};
use crate::error::{AppError, AppResult};

/// A link, without what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Names it to those who may see that there is one; the link itself is known by its secret alone.
    pub number: i64,
    /// The page's title, in the language of whoever made it.
    pub title: String,
    /// Where the page is, within this server.
    pub address: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// It shows nothing from then on.
    pub expires_at: Option<Timestamp>,
    /// How often it was opened.
    pub views: u64,
    /// The size of the file of its runs in bytes, where it has one.
    pub file: Option<u64>,
}

/// What a link shows in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPage {
    /// The language's tag.
    pub language: String,
    /// Its title.
    pub title: String,
    /// What it is about, in one sentence.
    pub about: String,
    /// Its Content-Security-Policy.
    pub policy: String,
    /// HTML, by gzip.
    pub page: Vec<u8>,
}

/// The file of the runs that a page shows, which goes with a link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// What it is called.
    pub name: String,
    /// As `torchboard export` writes it.
    pub bytes: Vec<u8>,
}

/// A link to be.
#[derive(Debug, Clone)]
pub struct NewShare<'a> {
    /// The hash of its secret.
    pub secret: &'a str,
    /// See [`Share::title`].
    pub title: &'a str,
    /// See [`Share::address`].
    pub address: &'a str,
    /// Who makes it, and from which address.
    pub by: (&'a str, &'a str),
    /// It ends after so long.
    pub lifetime_ms: Option<i64>,
    /// A picture for those who tell of it, PNG.
    pub card: &'a [u8],
    /// What it shows, in each language.
    pub pages: &'a [SharedPage],
    /// What it gives beside that.
    pub file: Option<SharedFile>,
}

/// What has ended shows nothing, but stays for a month: a clock that is wrong for a while ends nothing for good.
const KEPT_ENDED_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Columns of [`share_at`]. How long a file is, is known without reading it.
const SHARE: &str = "number, title, address, created_by, created_ms, expires_ms, views, \
    (SELECT length(file) FROM share_files WHERE share = number)";

impl Store {
    /// Keeps a link with what it shows. Those that ended long ago are forgotten.
    ///
    /// # Errors
    /// The store's own.
    pub fn share(&self, new: &NewShare<'_>) -> AppResult<Share> {
        self.write(|transaction| {
            let now = now_ms();
            transaction.execute("DELETE FROM shares WHERE expires_ms <= ?", [now - KEPT_ENDED_MS])?;
            let insert = format!(
                "INSERT INTO shares (secret, title, address, created_by, created_ms, expires_ms, card) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING {SHARE}"
            );
            let ends = new.lifetime_ms.map(|lifetime| now.saturating_add(lifetime));
            let values = params![new.secret, new.title, new.address, new.by.0, now, ends, new.card];
            let share = transaction.query_row(&insert, values, share_at)?;
            for page in new.pages {
                let insert = "INSERT INTO share_pages (share, language, title, about, policy, page) VALUES (?, ?, ?, ?, ?, ?)";
                transaction.execute(insert, params![share.number, page.language, page.title, page.about, page.policy, page.page])?;
            }
            if let Some(file) = &new.file {
                let insert = "INSERT INTO share_files (share, name, file) VALUES (?, ?, ?)";
                transaction.execute(insert, params![share.number, file.name, file.bytes])?;
            }
            audit(transaction, new.by.0, "share", new.address, new.by.1)?;
            Ok(Share { file: new.file.as_ref().map(|file| file.bytes.len() as u64), ..share })
        })
    }

    /// The links that still show something, the newest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn shares(&self) -> AppResult<Vec<Share>> {
        let query = format!("SELECT {SHARE} FROM shares WHERE expires_ms IS NULL OR expires_ms > ? ORDER BY number DESC");
        self.read(|connection| connection.prepare_cached(&query)?.query_map([now_ms()], share_at)?.collect())
    }

    /// The link whose secret has this hash, and what it shows in this language, or in another where it has not that one; counted as opened.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none, or none any more.
    pub fn open_share(&self, secret: &str, language: &str) -> AppResult<(Share, SharedPage)> {
        let found = self.read(|connection| {
            let query = format!("SELECT {SHARE} FROM shares WHERE secret = ? AND (expires_ms IS NULL OR expires_ms > ?)");
            let share = connection.prepare_cached(&query)?.query_row(params![secret, now_ms()], share_at).optional()?;
            let Some(share) = share else { return Ok(None) };
            let query = "SELECT language, title, about, policy, page FROM share_pages WHERE share = ? ORDER BY language <> ?";
            let page = |row: &Row<'_>| {
                let (language, title, about) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(SharedPage { language, title, about, policy: row.get(3)?, page: row.get(4)? })
            };
            let page = connection.prepare_cached(query)?.query_row(params![share.number, language], page).optional()?;
            Ok(page.map(|page| (share, page)))
        })?;
        let (share, page) = found.ok_or_else(no_share)?;
        self.write(|transaction| Ok(transaction.execute("UPDATE shares SET views = views + 1 WHERE number = ?", [share.number])?))?;
        Ok((share, page))
    }

    /// The picture of the link whose secret has this hash, PNG.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is none, or none any more.
    pub fn share_card(&self, secret: &str) -> AppResult<Vec<u8>> {
        let query = "SELECT card FROM shares WHERE secret = ? AND (expires_ms IS NULL OR expires_ms > ?)";
        let card = |row: &Row<'_>| row.get(0);
        self.read(|connection| connection.prepare_cached(query)?.query_row(params![secret, now_ms()], card).optional())?
            .ok_or_else(no_share)
    }

    /// What the file is called that the link gives whose secret has this hash, and the file.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such link, or none any more, or it gives no file.
    pub fn share_file(&self, secret: &str) -> AppResult<(String, Vec<u8>)> {
        let query = "SELECT name, file FROM share_files JOIN shares ON number = share \
            WHERE secret = ? AND (expires_ms IS NULL OR expires_ms > ?)";
        let file = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.read(|connection| connection.prepare_cached(query)?.query_row(params![secret, now_ms()], file).optional())?
            .ok_or_else(no_share)
    }

    /// Ends a link: one of `owner`, or anybody's where none is named.
    ///
    /// # Errors
    /// [`AppError::NotFound`] when there is no such link.
    pub fn revoke_share(&self, number: i64, owner: Option<&str>, by: (&str, &str)) -> AppResult<()> {
        self.write(|transaction| {
            let delete = "DELETE FROM shares WHERE number = ?1 AND (?2 IS NULL OR created_by = ?2) RETURNING address";
            let address: Option<String> = transaction.query_row(delete, params![number, owner], |row| row.get(0)).optional()?;
            let address = address.ok_or_else(no_share)?;
            audit(transaction, by.0, "unshare", &address, by.1)
        })
    }
}

/// In the same words whatever the reason, so that nobody learns which links there were.
fn no_share() -> AppError {
    AppError::not_found("This link shows nothing: it never did, was taken back, or has ended. Ask whoever gave it to you for another.")
}

fn share_at(row: &Row<'_>) -> rusqlite::Result<Share> {
    let (expires, views, file): (Option<i64>, i64, Option<i64>) = (row.get(5)?, row.get(6)?, row.get(7)?);
    Ok(Share {
        number: row.get(0)?,
        title: row.get(1)?,
        address: row.get(2)?,
        created_by: row.get(3)?,
        created_at: at(row.get(4)?),
        expires_at: expires.map(at),
        views: views.unsigned_abs(),
        file: file.map(i64::unsigned_abs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(language: &str) -> SharedPage {
        let text = |text: &str| format!("{text} {language}");
        SharedPage { language: language.into(), title: text("title"), about: text("about"), policy: text("policy"), page: vec![1, 2, 3] }
    }

    fn new<'a>(secret: &'a str, by: &'a str, lifetime_ms: Option<i64>, pages: &'a [SharedPage]) -> NewShare<'a> {
        NewShare { secret, title: "A run", address: "/runs/a", by: (by, "10.0.0.1"), lifetime_ms, card: b"png", pages, file: None }
    }

    #[test]
    fn a_link_shows_what_it_was_given_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let pages = [page("en"), page("fa")];
        let share = store.share(&new("s1", "sara", None, &pages)).unwrap();
        let (found, shown) = store.open_share("s1", "fa").unwrap();
        assert_eq!((found.number, shown), (share.number, page("fa")));
        assert_eq!(store.open_share("s1", "de").unwrap().0.views, 1, "it was opened once before");
        assert_eq!(store.share_card("s1").unwrap(), b"png");
        assert!(store.open_share("s2", "en").is_err());
        // One that has ended is none, and is forgotten when another is made long after.
        store.share(&new("s0", "omid", Some(-KEPT_ENDED_MS - 1), &pages)).unwrap();
        store.share(&new("s2", "omid", Some(-1), &pages)).unwrap();
        assert!(store.open_share("s2", "en").is_err() && store.share_card("s2").is_err());
        assert_eq!(store.shares().unwrap().len(), 1);
        store.share(&new("s3", "omid", Some(60_000), &pages)).unwrap();
        let kept = |table: &str| {
            store.read(|connection| connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get::<_, i64>(0))).unwrap()
        };
        assert_eq!((kept("shares"), kept("share_pages")), (3, 6));
    }

    #[test]
    fn a_file_stays_with_its_link_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let pages = [page("en")];
        let file = SharedFile { name: "a.torchboard".into(), bytes: b"runs".to_vec() };
        let share = |secret: &str, lifetime_ms: Option<i64>, file: Option<&SharedFile>| {
            store.share(&NewShare { file: file.cloned(), ..new(secret, "sara", lifetime_ms, &pages) }).unwrap()
        };
        let kept =
            || store.read(|connection| connection.query_row("SELECT COUNT(*) FROM share_files", [], |row| row.get::<_, i64>(0))).unwrap();
        let refused = |secret: &str| match store.share_file(secret) {
            Err(AppError::NotFound { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        let with = share("s1", None, Some(&file));
        assert_eq!((with.file, store.open_share("s1", "en").unwrap().0.file), (Some(4), Some(4)));
        assert_eq!(store.share_file("s1").unwrap(), (file.name.clone(), file.bytes.clone()));
        assert_eq!(share("s2", None, None).file, None);
        let sizes: Vec<Option<u64>> = store.shares().unwrap().into_iter().map(|share| share.file).collect();
        assert_eq!(sizes, [None, Some(4)]);
        // In the same words, whether there is no such link, none any more, or one without a file.
        share("s3", Some(-KEPT_ENDED_MS - 1), Some(&file));
        assert_eq!((refused("s2"), refused("s3")), (refused("none"), refused("none")));
        assert_eq!(kept(), 2);
        share("s4", None, None);
        assert_eq!(kept(), 1, "one that ended long ago is forgotten when another is made");
        store.revoke_share(with.number, None, ("admin", "")).unwrap();
        assert_eq!((refused("s1"), kept()), (refused("none"), 0));
    }

    #[test]
    fn a_link_is_ended_by_who_made_it_or_by_whom_may_end_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let pages = [page("en")];
        let share = store.share(&new("s1", "sara", None, &pages)).unwrap();
        assert!(store.revoke_share(share.number, Some("omid"), ("omid", "")).is_err());
        store.revoke_share(share.number, Some("sara"), ("sara", "")).unwrap();
        assert!(store.open_share("s1", "en").is_err());
        let share = store.share(&new("s2", "sara", None, &pages)).unwrap();
        store.revoke_share(share.number, None, ("admin", "")).unwrap();
        assert!(store.shares().unwrap().is_empty());
        let trail: Vec<_> = store.audit(None, 10).unwrap().into_iter().map(|entry| (entry.who, entry.did)).collect();
        let expected = [("admin", "unshare"), ("sara", "share"), ("sara", "unshare"), ("sara", "share")];
        assert_eq!(trail, expected.map(|(who, did)| (who.to_owned(), did.to_owned())));
    }
}
