use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn join(store: &Store, role: Role, name: &str) {
    store.invite(name, role, Some("x"), 1000, "").unwrap();
    store.join(name, name, "kept", "").unwrap();
}

#[test]
fn the_last_administrator_stays_one() {
    let (_folder, store) = store();
    assert!(!store.has_admin().unwrap());
    join(&store, Role::Admin, "sara");
    join(&store, Role::Admin, "omid");
    store.change_account("omid", None, Some(true), ("sara", "")).unwrap();
    assert!(store.has_admin().unwrap());
    for (role, disabled) in [(Some(Role::Trainer), None), (None, Some(true))] {
        assert!(matches!(store.change_account("sara", role, disabled, ("sara", "")), Err(AppError::Conflict(_))));
    }
    assert_eq!(store.account("SARA").unwrap().map(|account| (account.role, account.is_disabled)), Some((Role::Admin, false)));
    assert!(matches!(store.change_account("nobody", None, None, ("sara", "")), Err(AppError::NotFound { .. })));
}

#[test]
fn what_has_expired_is_none() {
    let (_folder, store) = store();
    join(&store, Role::Viewer, "sara");
    store.begin_session("s", "sara", -1, None, "").unwrap();
    store.create_token("t", "sara", "x", &[Permission::Read], -1, "").unwrap();
    store.invite("i", Role::Admin, Some("sara"), -1, "").unwrap();
    assert_eq!((store.session("s", 1000).unwrap(), store.token("t").unwrap(), store.invitation("i").unwrap()), (None, None, None));
    assert!(store.tokens("sara").unwrap().is_empty() && store.invitations().unwrap().is_empty());
    assert!(matches!(store.join("i", "omid", "kept", ""), Err(AppError::NotFound { .. })));
    store.begin_session("u", "sara", 1000, None, "").unwrap();
    assert!(store.session("u", 1000).unwrap().is_some());
}

#[test]
fn a_role_includes_those_below_it() {
    let allowed = Role::ALL.map(|role| Permission::ALL.map(|permission| role.may(permission)));
    assert_eq!(allowed, [[true, false, false], [true, true, false], [true, true, true]]);
    assert!(Role::ALL.into_iter().all(|role| Role::named(role.name()) == Some(role)));
    assert!(Permission::ALL.into_iter().all(|permission| Permission::named(permission.name()) == Some(permission)));
}

#[test]
fn the_trail_tells_who_did_what_from_where_the_newest_first() {
    let (_folder, store) = store();
    join(&store, Role::Admin, "sara");
    store.record("sara", "delete run", "mlp-1", "10.0.0.7").unwrap();
    let all = store.audit(None, 10).unwrap();
    let told: Vec<_> =
        all.iter().map(|entry| (entry.who.as_str(), entry.did.as_str(), entry.what.as_str(), entry.address.as_str())).collect();
    let expected = [("sara", "delete run", "mlp-1", "10.0.0.7"), ("sara", "join", "admin, invited by x", ""), ("x", "invite", "admin", "")];
    assert_eq!(told, expected);
    assert_eq!(store.audit(Some(all[1].number), 10).unwrap(), all[2..]);
    assert_eq!(store.audit(None, 1).unwrap(), all[..1]);
}
