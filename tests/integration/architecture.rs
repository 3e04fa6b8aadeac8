//! Reads the sources and holds what design asks of them: who may import what, and what never appears.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each module, and those it may import. `error` and `config` are open to all but each other's reverse.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &["models"]),
    ("models", &[]),
    ("data", &[]),
    ("figure", &[]),
    ("project", &[]),
    ("metrics", &[]),
    ("report", &[]),
    ("store", &["data", "train"]),
    ("accounts", &["store"]),
    ("words", &["data", "figure", "models", "project"]),
    ("train", &["data", "metrics", "models", "project"]),
    ("tune", &["train"]),
    ("jobs", &["data", "metrics", "models", "project", "store", "train", "tune", "words"]),
    ("web", &["accounts", "data", "figure", "jobs", "metrics", "models", "project", "report", "store", "train", "tune", "words"]),
    ("cli", &["data", "figure", "jobs", "metrics", "models", "project", "store", "train", "tune", "web", "words"]),
];

/// Libraries that only some modules may name.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("tch", &["models", "train", "jobs", "words", "project"]),
    ("rusqlite", &["store"]),
    ("argon2", &["accounts"]),
    ("axum", &["web"]),
    ("askama", &["web"]),
    ("plotters", &["figure"]),
];

/// Where the sources of the two crates lie.
const SOURCES: [&str; 2] = ["kernels/src", "src"];

const LINES_AT_MOST: usize = 600;
const LINES_ADVISED: usize = 450;

#[test]
fn imports_run_downward() {
    assert_none(
        each_source().iter().flat_map(|source| imports_upward(&source.module, &source.code).into_iter().map(|fault| source.say(&fault))),
    );
}

#[test]
fn libraries_are_named_only_where_they_belong() {
    assert_none(
        each_source().iter().flat_map(|source| foreign_libraries(&source.module, &source.code).into_iter().map(|fault| source.say(&fault))),
    );
}

#[test]
fn only_config_reads_the_environment() {
    let others = each_source().into_iter().filter(|source| source.name != "config.rs");
    assert_none(others.filter(|source| reads_environment(&source.code)).map(|source| source.say("reads the environment")));
}

#[test]
fn unsafe_code_is_in_one_audited_place() {
    let others = each_source().into_iter().filter(|source| source.name != "words/mapped.rs");
    assert_none(others.filter(|source| has_unsafe(&source.code)).map(|source| source.say("is unsafe or allows it")));
}

#[test]
fn templates_have_no_inline_script_or_style() {
    let templates = files_under("templates", "html");
    assert_none(templates.iter().flat_map(|path| inline_code(&read(path)).into_iter().map(|fault| format!("{}: {fault}", path.display()))));
}

#[test]
fn files_stay_readable() {
    let mut too_long = Vec::new();
    for (folder, extension) in [
        ("src", "rs"),
        ("kernels", "rs"),
        ("tests", "rs"),
        ("benches", "rs"),
        ("benches", "py"),
        ("tools", "py"),
        ("static", "js"),
        ("templates", "html"),
    ] {
        for path in files_under(folder, extension) {
            let lines = read(&path).lines().count();
            if lines > LINES_AT_MOST {
                too_long.push(format!("{} has {lines} lines; {LINES_AT_MOST} are the limit", path.display()));
            } else if lines > LINES_ADVISED {
                println!("advice: {} has {lines} lines; about 400 read well", path.display());
            }
        }
    }
    assert_none(too_long);
}

#[test]
fn every_test_that_security_md_names_is_there() {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md"));
    let tests = SOURCES.iter().chain(&["tests"]).flat_map(|folder| files_under(folder, "rs")).map(|path| read(&path)).collect::<String>();
    let lines = text.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let names: Vec<&str> = lines.filter_map(|line| line.rsplit(" | ").next()).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 15, "{names:?}");
    assert_none(names.iter().filter(|name| !tests.contains(&format!("fn {name}("))).map(|name| format!("{name} is no test")));
}

#[test]
fn each_rule_catches_what_it_forbids() {
    assert_eq!(imports_upward("figure", "use crate::web::State;"), ["imports web"]);
    assert_eq!(
        imports_upward("words", "use crate::{\n    data::Source,\n    web::{State, problem},\n    cli,\n};"),
        ["imports web", "imports cli"]
    );
    assert_eq!(imports_upward("words", "fn f() -> crate::web::State"), ["imports web"]);
    assert!(imports_upward("web", "use crate::{words::{Set, search}, error::AppError, config::Settings};").is_empty());
    assert_eq!(imports_upward("unheard", "use crate::words;"), ["is not in the list of modules of tests/integration/architecture.rs"]);

    assert_eq!(foreign_libraries("cli", "use tch::Tensor;"), ["names tch"]);
    assert_eq!(foreign_libraries("words", "use axum::Router;"), ["names axum"]);
    assert!(foreign_libraries("models", "use tch::nn; // match stitch::x").is_empty());

    assert!(reads_environment("let home = std::env::var(\"HOME\");"));
    assert!(reads_environment("use std::env;\n for (k, v) in env::vars() {}"));
    assert!(!reads_environment("env!(\"CARGO_PKG_VERSION\"); std::env::temp_dir(); env::current_exe()"));

    assert!(has_unsafe("unsafe { x }") && has_unsafe("#[allow(unsafe_code)]"));
    assert!(!has_unsafe("let unsafely = 1;"));

    for inline in
        ["<script>f()</script>", "<style>p {}</style>", "<p style=\"x\">", "<a\n  onclick=\"f()\">", "<a href=\"javascript:f()\">"]
    {
        assert_eq!(inline_code(inline).len(), 1, "{inline}");
    }
    assert!(inline_code("<script type=\"module\" src=\"/static/x.js\"></script><link rel=\"stylesheet\"><p>on = style</p>").is_empty());

    assert_eq!(without_comments_and_tests("a // unsafe\n/// unsafe\n\"//x\"\n#[cfg(test)]\nmod tests { unsafe }").trim(), "a \n\n\"//x\"");
}

struct Source {
    /// One of [`SOURCES`].
    folder: &'static str,
    /// The path below it, such as `words/search.rs`.
    name: String,
    /// The first part of the path: the module of the module map.
    module: String,
    /// The text without comments and without the unit tests at its end.
    code: String,
}

impl Source {
    fn say(&self, fault: &str) -> String {
        format!("{}/{} {fault}", self.folder, self.name)
    }
}

/// Every source file but the roots, which name all modules.
fn each_source() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in SOURCES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let before = sources.len();
        for path in files_under(folder, "rs") {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            if !["main.rs", "lib.rs"].contains(&name.as_str()) {
                sources.push(Source { folder, module, code: without_comments_and_tests(&read(&path)), name });
            }
        }
        assert!(sources.len() > before + 20, "the sources were not found under {}", root.display());
    }
    sources
}

fn imports_upward(module: &str, code: &str) -> Vec<String> {
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == module) else {
        return vec!["is not in the list of modules of tests/integration/architecture.rs".into()];
    };
    let mut faults: Vec<String> = Vec::new();
    for imported in code.split("crate::").skip(1).flat_map(first_names) {
        let known = IMPORTS.iter().any(|(name, _)| *name == imported);
        let open = imported == module || imported == "error" || imported == "config";
        let fault = format!("imports {imported}");
        if known && !open && !allowed.contains(&imported) && !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// What follows `crate::`: one name, or the first names of each path within braces.
fn first_names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![leading_name(rest)];
    };
    let mut names = vec![leading_name(group)];
    let mut depth = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(leading_name(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

fn leading_name(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|character: char| !is_word(character)).unwrap_or(text.len())]
}

fn foreign_libraries(module: &str, code: &str) -> Vec<String> {
    let foreign = LIBRARIES.iter().filter(|(library, modules)| !modules.contains(&module) && names_crate(code, library));
    foreign.map(|(library, _)| format!("names {library}")).collect()
}

fn names_crate(code: &str, library: &str) -> bool {
    has_word(code, library, |before, after| after.starts_with("::") || before.trim_end().ends_with("use"))
}

fn reads_environment(code: &str) -> bool {
    ["var", "vars", "var_os", "vars_os", "set_var", "remove_var"]
        .iter()
        .any(|function| has_word(code, function, |before, _| before.ends_with("env::")))
        || has_word(code, "env", |before, after| {
            (before.ends_with(", ") || before.ends_with('(')) && after.trim_start().starts_with("= \"")
        })
}

fn has_unsafe(code: &str) -> bool {
    has_word(code, "unsafe", |_, _| true) || has_word(code, "unsafe_code", |_, _| true)
}

/// Whether `word` stands alone somewhere in `code`, with what is before and after it to the liking of `fits`.
fn has_word(code: &str, word: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word) && fits(before, after)
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// What the Content-Security-Policy would block.
fn inline_code(template: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for tag in template.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)) {
        let name = leading_name(tag);
        let attributes: Vec<&str> =
            tag.split_whitespace().skip(1).map(|attribute| attribute.split('=').next().unwrap_or(attribute)).collect();
        let handler = |attribute: &&str| attribute.len() > 2 && attribute.starts_with("on") && tag.contains(&format!("{attribute}="));
        if name == "style" || name == "script" && !attributes.contains(&"src") || attributes.contains(&"style") && tag.contains("style=") {
            faults.push(format!("inline script or style in <{tag}>"));
        } else if attributes.iter().any(handler) || tag.contains("javascript:") {
            faults.push(format!("inline handler in <{tag}>"));
        }
    }
    faults
}

fn without_comments_and_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    code.lines()
        .map(|line| line.find("//").filter(|at| line[..*at].matches('"').count() % 2 == 0).map_or(line, |at| &line[..at]))
        .collect::<Vec<_>>()
        .join("\n")
}

fn files_under(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_none(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n  {}\n", faults.join("\n  "));
}
