use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
const GOOD: &str = "correct horse battery";

fn accounts() -> (tempfile::TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, Accounts::new(store))
}

fn joined(accounts: &Accounts, role: Role, name: &str) -> Account {
    let invitation = accounts.invite(role, Some("admin"), "10.0.0.1").unwrap();
    accounts.join(&invitation, name, GOOD, HERE).unwrap()
}

fn field<T>(outcome: AppResult<T>) -> String {
    match outcome {
        Err(AppError::Invalid { field, .. }) => field,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn the_terminal_invites_until_there_is_an_administrator_and_its_last_link_alone_counts() {
    let (_folder, accounts) = accounts();
    let (first, second) = (accounts.first_invitation().unwrap().unwrap(), accounts.first_invitation().unwrap().unwrap());
    assert!(first != second && first.len() == 43);
    assert!(matches!(accounts.join(&first, "sara", GOOD, HERE), Err(AppError::NotFound { .. })));
    assert_eq!(accounts.invited(&second).unwrap(), Role::Admin);
    let account = accounts.join(&second, " sara ", GOOD, HERE).unwrap();
    assert_eq!((account.name.as_str(), account.role), ("sara", Role::Admin));
    assert!(account.password.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !account.password.contains(GOOD));
    assert!(matches!(accounts.join(&second, "omid", GOOD, HERE), Err(AppError::NotFound { .. })), "a link makes one account");
    assert_eq!(accounts.first_invitation().unwrap(), None);
}

#[test]
fn weak_passwords_odd_names_and_names_that_are_taken_are_refused_and_the_invitation_stays() {
    let (_folder, accounts) = accounts();
    joined(&accounts, Role::Viewer, "Sara");
    let invitation = accounts.invite(Role::Viewer, Some("admin"), "10.0.0.1").unwrap();
    for (name, password, expected) in [
        ("omid", "short", "password"),
        ("omid", "aaaaaaaaaaaaaaaa", "password"),
        ("omid", "xx omid xx 1234", "password"),
        ("omid", &"long ".repeat(50), "password"),
        ("o", GOOD, "name"),
        ("../omid", GOOD, "name"),
        ("<b>omid</b>", GOOD, "name"),
        ("o mid", GOOD, "name"),
        ("sARA", GOOD, "name"),
    ] {
        assert_eq!(field(accounts.join(&invitation, name, password, HERE)), expected, "{name} {password}");
    }
    assert_eq!(accounts.join(&invitation, "امید", "گذرواژهٔ خوب و بلند", HERE).unwrap().name, "امید");
}

#[test]
fn a_session_is_somebody_s_until_it_is_replaced_ended_or_its_account_shut() {
    let (_folder, accounts) = accounts();
    joined(&accounts, Role::Admin, "sara");
    joined(&accounts, Role::Trainer, "omid");
    assert_eq!(accounts.session("").unwrap(), None);
    let first = accounts.sign_in("OMID", GOOD, None, HERE).unwrap();
    assert_eq!(accounts.session(&first).unwrap().unwrap().account.name, "omid");
    let second = accounts.sign_in("omid", GOOD, Some(&first), HERE).unwrap();
    assert!(first != second && accounts.session(&first).unwrap().is_none(), "its secret changes whenever somebody signs in");
    accounts.sign_out(&second).unwrap();
    assert_eq!(accounts.session(&second).unwrap(), None);
    let third = accounts.sign_in("omid", GOOD, None, HERE).unwrap();
    accounts.store.change_account("omid", None, Some(true), ("sara", "")).unwrap();
    assert_eq!(accounts.session(&third).unwrap(), None);
    assert!(matches!(accounts.sign_in("omid", GOOD, None, HERE), Err(AppError::SignIn(_))));
    accounts.store.change_account("omid", None, Some(false), ("sara", "")).unwrap();
    assert_eq!(accounts.session(&third).unwrap(), None, "what was ended stays ended");
}

#[test]
fn a_wrong_name_and_a_wrong_password_are_told_in_the_same_words_and_not_often() {
    let (_folder, accounts) = accounts();
    joined(&accounts, Role::Viewer, "sara");
    let said = |name: &str, password: &str| accounts.sign_in(name, password, None, HERE).unwrap_err().to_string();
    assert_eq!(said("sara", "wrong horse battery"), said("nobody", GOOD));
    for _ in 0..9 {
        said("sara", "wrong horse battery");
    }
    assert!(
        matches!(accounts.sign_in("sara", GOOD, None, HERE), Err(AppError::TooMany { .. })),
        "the right one too: nobody learns that it was"
    );
}

#[test]
fn a_new_password_needs_the_present_one_and_signs_everybody_out() {
    let (_folder, accounts) = accounts();
    let account = joined(&accounts, Role::Viewer, "sara");
    let session = accounts.sign_in("sara", GOOD, None, HERE).unwrap();
    assert_eq!(field(accounts.change_password(&account, "wrong horse battery", "another good one", HERE)), "password");
    assert_eq!(field(accounts.change_password(&account, GOOD, "short", HERE)), "new_password");
    assert!(accounts.session(&session).unwrap().is_some());
    accounts.change_password(&account, GOOD, "another good one", HERE).unwrap();
    assert_eq!(accounts.session(&session).unwrap(), None);
    accounts.sign_in("sara", "another good one", None, HERE).unwrap();
    assert!(accounts.sign_in("sara", GOOD, None, HERE).is_err());
}

#[test]
fn a_token_may_no_more_than_its_scopes_and_its_account() {
    let (_folder, accounts) = accounts();
    let account = joined(&accounts, Role::Trainer, "sara");
    let make = |scopes: &[Permission], days: u32| accounts.create_token(&account, " nightly runs ", scopes, days, HERE);
    let (secret, token) = make(&[Permission::Train, Permission::Read, Permission::Train], 30).unwrap();
    assert!(secret.starts_with("torchboard_") && secret.len() == 43 + 11);
    assert_eq!((token.name.as_str(), &token.scopes[..], token.used_at), ("nightly runs", &[Permission::Read, Permission::Train][..], None));
    assert_eq!(field(make(&[Permission::Administer], 30)), "scopes");
    assert_eq!(
        (field(make(&[], 30)), field(make(&[Permission::Read], 0)), field(make(&[Permission::Read], 366))),
        ("scopes".into(), "days".into(), "days".into())
    );
    let (owner, found) = accounts.token(&secret).unwrap().unwrap();
    assert_eq!((owner.name.as_str(), found.number), ("sara", token.number));
    assert!(accounts.store.tokens("sara").unwrap()[0].used_at.is_some());
    let other = joined(&accounts, Role::Admin, "omid");
    assert!(matches!(accounts.store.revoke_token(token.number, &other.name, ""), Err(AppError::NotFound { .. })), "each revokes their own");
    accounts.store.revoke_token(token.number, "sara", "").unwrap();
    assert_eq!(accounts.token(&secret).unwrap(), None);
}
