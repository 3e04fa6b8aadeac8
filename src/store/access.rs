//! Who may do what: accounts, sessions, tokens, invitations, and what was done. Secrets are kept as their hashes only.

use jiff::Timestamp;

/// What somebody may do; also the scope of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Look at everything but accounts.
    Read,
    /// Train, tune, change and delete runs, fetch data sets.
    Train,
    /// Accounts, invitations, the audit trail.
    Administer,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and trains.
    Trainer,
    /// May do everything.
    Admin,
}

impl Permission {
    /// The least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Train, Self::Administer];

    /// `read`, `train` or `administer`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Train => "train",
            Self::Administer => "administer",
        }
    }

    /// The permission called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

impl Role {
    /// The least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Trainer, Self::Admin];

    /// `viewer`, `trainer` or `admin`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Trainer => "trainer",
            Self::Admin => "admin",
        }
    }

    /// The role called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it includes this permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        permission
            <= match self {
                Self::Viewer => Permission::Read,
                Self::Trainer => Permission::Train,
                Self::Admin => Permission::Administer,
            }
    }
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What they sign in with; unique whatever the case of its letters.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// As a PHC string.
    pub password: String,
    /// When they joined.
    pub created_at: Timestamp,
    /// Whether an administrator shut it.
    pub is_disabled: bool,
}

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: Account,
    /// When it was last used.
    pub used_at: Timestamp,
    /// It is none from then on.
    pub expires_at: Timestamp,
}

/// What a program signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names it among all.
    pub number: i64,
    /// Whose.
    pub account: String,
    /// What it is for.
    pub name: String,
    /// What it may be used for, as far as its account may.
    pub scopes: Vec<Permission>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is none from then on.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
}

/// A link with which somebody makes an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Names it among all.
    pub number: i64,
    /// What the account will be.
    pub role: Role,
    /// `None`: the terminal, for the first administrator.
    pub invited_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is none from then on.
    pub expires_at: Timestamp,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// In the order of time, from 1.
    pub number: i64,
    /// When.
    pub at: Timestamp,
    /// The account's name, or `terminal`.
    pub who: String,
    /// Such as `invite`.
    pub did: String,
    /// To what, with which outcome.
    pub what: String,
    /// From where.
    pub address: String,
}
