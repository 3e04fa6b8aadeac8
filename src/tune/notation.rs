//! A space as it is typed: `units=16..512:16`, `learning_rate=0.0001,0.001,0.01`, `dropout=0.0..0.5`, `learning_rate=0.0001..0.1:log`.

use serde_json::{Value, json};

use super::{Parameters, Space};
use crate::error::{AppError, AppResult};

impl Space {
    /// Reads `NAME=WHAT` for each dimension: choices parted by commas; or `MIN..MAX`, which are whole numbers when both are written without a
    /// point, then `:STEP` or `:log` or both.
    ///
    /// # Errors
    /// [`AppError::Invalid`] for `space` or, as [`Space::declared`], for `space.NAME...`.
    pub fn written<S: AsRef<str>>(dimensions: &[S]) -> AppResult<Self> {
        let read = |text: &S| {
            let parts = text.as_ref().split_once('=').map(|(name, what)| (name.trim(), what.trim()));
            let (name, what) = parts.ok_or_else(|| wrong("space", text.as_ref()))?;
            Ok((name.to_owned(), declaration(&format!("space.{name}"), what)?))
        };
        Self::declared(dimensions.iter().map(read).collect::<AppResult<Parameters>>()?)
    }

    /// The space as it is typed, a text for each dimension.
    #[must_use]
    pub fn to_written(&self) -> Vec<String> {
        use super::{Dimension, Scale, plain};
        let log = |scale: Scale| if scale == Scale::Log { ":log" } else { "" };
        let write = |dimension: &Dimension| match dimension {
            Dimension::Integer { min, max, step, scale } => {
                let step = if *step == 1 { String::new() } else { format!(":{step}") };
                format!("{min}..{max}{step}{}", log(*scale))
            }
            // With a point, which tells them from whole numbers.
            Dimension::Float { min, max, step, scale } => {
                let step = step.map(|step| format!(":{step:?}")).unwrap_or_default();
                format!("{min:?}..{max:?}{step}{}", log(*scale))
            }
            Dimension::Choice { values } => values.iter().map(plain).collect::<Vec<_>>().join(","),
        };
        self.iter().map(|(name, dimension)| format!("{name}={}", write(dimension))).collect()
    }
}

fn declaration(field: &str, what: &str) -> AppResult<Value> {
    let Some((min, rest)) = what.split_once("..") else {
        let values: Vec<Value> = what.split(',').map(|choice| value(choice.trim())).collect();
        return if what.is_empty() { Err(wrong(field, what)) } else { Ok(json!({ "type": "choice", "values": values })) };
    };
    let mut parts = rest.split(':').map(str::trim);
    let max = parts.next().unwrap_or_default();
    let (low, high) = (value(min.trim()), value(max));
    if !low.is_number() || !high.is_number() {
        return Err(wrong(field, what));
    }
    let kind = if low.is_i64() && high.is_i64() { "integer" } else { "float" };
    let mut declaration = json!({ "type": kind, "min": low, "max": high });
    for part in parts {
        match value(part) {
            Value::String(text) if text == "log" => declaration["scale"] = json!("log"),
            step @ Value::Number(_) => declaration["step"] = step,
            _ => return Err(wrong(field, what)),
        }
    }
    Ok(declaration)
}

/// A number or a truth value where it reads as one, else a text.
fn value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        // JSON knows no `.5` and no `5.`.
        _ => text.parse::<f64>().ok().filter(|number| number.is_finite()).map_or_else(|| json!(text), |number| json!(number)),
    }
}

fn wrong(field: &str, given: &str) -> AppError {
    let examples = "units=16..512:16, dropout=0.0..0.5, learning_rate=0.0001..0.1:log, or choices as in optimizer=adam,adamw";
    AppError::invalid(field, format!("is {given:?}; expected something like {examples}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::REPORTED_SPACE;

    #[test]
    fn what_is_typed_declares_a_space_and_reads_back() {
        let written = [
            "units=16..512:16",
            "width=1..64:log",
            "rate=0.0001..0.1:log",
            "share=0.0..0.5:0.1",
            "kind=adam,adamw",
            "size=1,2.5",
            "flip=true,false",
        ];
        let space = Space::written(&written).unwrap();
        let json = r#"{"units":{"type":"integer","min":16,"max":512,"step":16},"width":{"type":"integer","min":1,"max":64,"step":1,"scale":"log"},"rate":{"type":"float","min":0.0001,"max":0.1,"scale":"log"},"share":{"type":"float","min":0.0,"max":0.5,"step":0.1},"kind":{"type":"choice","values":["adam","adamw"]},"size":{"type":"choice","values":[1,2.5]},"flip":{"type":"choice","values":[true,false]}}"#;
        assert_eq!(serde_json::to_string(&space).unwrap(), json);
        assert_eq!(space.to_written(), written);
        assert_eq!(Space::written(&REPORTED_SPACE).unwrap().size(), Some(160));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (typed, field) in [
            ("units", "space"),
            ("units=", "space.units"),
            ("units=a..9", "space.units"),
            ("units=1..9:fast", "space.units"),
            ("units=9..1", "space.units.max"),
        ] {
            match Space::written(&[typed]) {
                Err(AppError::Invalid { field: named, .. }) => assert_eq!(named, field, "{typed}"),
                other => panic!("{typed}: {other:?}"),
            }
        }
    }
}
