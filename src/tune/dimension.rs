//! One dimension of a space: what values it takes and where each lies between 0 and 1.

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::error::{AppError, AppResult};

/// The values that one hyperparameter may take.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Dimension {
    /// Whole numbers `min`, `min + step`, ... up to `max`.
    Integer {
        /// The least.
        min: i64,
        /// None is greater.
        max: i64,
        /// From one to the next; at least 1.
        step: i64,
        /// Whether equal differences or equal ratios count alike.
        #[serde(skip_serializing_if = "Scale::is_linear")]
        scale: Scale,
    },
    /// Real numbers from `min` to `max`, both included; only multiples of `step` from `min` where there is one.
    Float {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
        /// From one to the next.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
        /// Whether equal differences or equal ratios count alike.
        #[serde(skip_serializing_if = "Scale::is_linear")]
        scale: Scale,
    },
    /// One of these numbers, texts or truth values. Numbers alone keep their order: near ones are taken to do alike.
    Choice {
        /// All of them, none twice.
        values: Vec<Value>,
    },
}

/// What counts as equally far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Equal differences.
    #[default]
    Linear,
    /// Equal ratios.
    Log,
}

impl Scale {
    fn is_linear(&self) -> bool {
        *self == Self::Linear
    }

    fn forward(self, value: f64) -> f64 {
        if self.is_linear() { value } else { value.ln() }
    }

    /// Where `value` lies between `min` (0) and `max` (1); the middle where these are one.
    fn place(self, value: f64, min: f64, max: f64) -> f64 {
        let (low, high) = (self.forward(min), self.forward(max));
        if high > low { ((self.forward(value) - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }

    fn value(self, place: f64, min: f64, max: f64) -> f64 {
        let (low, high) = (self.forward(min), self.forward(max));
        let value = low + place * (high - low);
        (if self.is_linear() { value } else { value.exp() }).clamp(min, max)
    }
}

impl Dimension {
    /// How many values there are; `None` when they can't be counted.
    #[must_use]
    pub fn levels(&self) -> Option<u64> {
        match *self {
            Self::Integer { min, max, step, .. } => Some(max.abs_diff(min) / step.unsigned_abs() + 1),
            // A hair more than whole steps is whole: (1 - 0) / 0.1 may come out below 10.
            Self::Float { min, max, step, .. } => step.map(|step| ((max - min) / step + 1e-9).floor() as u64 + 1),
            Self::Choice { ref values } => Some(values.len() as u64),
        }
    }

    /// The value of this index, from 0; indices beyond the last give the last.
    #[must_use]
    pub fn level(&self, index: u64) -> Value {
        match *self {
            Self::Integer { min, step, .. } => {
                let index = index.min(self.levels().unwrap_or(1) - 1);
                Value::from(i128_to_i64(i128::from(min) + i128::from(step) * i128::from(index)))
            }
            Self::Float { min, max, step, .. } => {
                let index = index.min(self.levels().unwrap_or(1) - 1);
                float(step.map_or(min, |step| step.mul_add(index as f64, min).min(max)), min, max)
            }
            Self::Choice { ref values } => values[(index as usize).min(values.len() - 1)].clone(),
        }
    }

    /// The index of a value; `None` when it is not one of this dimension's, or these can't be counted.
    #[must_use]
    pub fn index(&self, value: &Value) -> Option<u64> {
        let levels = self.levels()?;
        let near = match *self {
            Self::Integer { min, step, .. } => {
                let offset = i128::from(whole(value)?) - i128::from(min);
                u64::try_from(offset / i128::from(step)).ok()?
            }
            Self::Float { min, step, .. } => {
                let index = ((value.as_f64()? - min) / step?).round();
                if index < 0.0 {
                    return None;
                }
                index as u64
            }
            Self::Choice { ref values } => return values.iter().position(|known| same(known, value)).map(|index| index as u64),
        };
        (near < levels && same(&self.level(near), value)).then_some(near)
    }

    /// Whether `value` is one of this dimension's.
    #[must_use]
    pub fn contains(&self, value: &Value) -> bool {
        match *self {
            Self::Float { min, max, step: None, .. } => value.as_f64().is_some_and(|value| value >= min && value <= max),
            _ => self.index(value).is_some(),
        }
    }

    /// Where a value lies between 0 and 1, neighbours near each other where there is an order.
    #[must_use]
    pub fn place(&self, value: &Value) -> Option<f64> {
        match *self {
            Self::Integer { min, max, scale, .. } => Some(scale.place(whole(value)? as f64, min as f64, max as f64)),
            Self::Float { min, max, scale, .. } => Some(scale.place(value.as_f64()?, min, max)),
            Self::Choice { ref values } => {
                let index = self.index(value)?;
                let Some(scale) = self.order() else { return Some(index as f64) };
                let numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
                let (min, max) = extremes(&numbers);
                Some(scale.place(numbers[index as usize], min, max))
            }
        }
    }

    /// The value at a share of the way, from 0 to 1: equal shares for values that are counted, equal stretches for others.
    #[must_use]
    pub fn value_at(&self, share: f64) -> Value {
        let share = share.clamp(0.0, 1.0);
        match *self {
            Self::Float { min, max, step: None, scale } => float(scale.value(share, min, max), min, max),
            Self::Integer { min, max, step, scale: Scale::Log } => {
                let nearest = ((Scale::Log.value(share, min as f64, max as f64) - min as f64) / step as f64).round();
                self.level(nearest.max(0.0) as u64)
            }
            _ => self.level((share * self.levels().unwrap_or(1) as f64) as u64),
        }
    }

    /// The share of the way at which [`Self::value_at`] gives this value.
    #[must_use]
    pub fn share(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Float { step: None, .. } | Self::Integer { scale: Scale::Log, .. } => self.place(value),
            _ => Some((self.index(value)? as f64 + 0.5) / self.levels()? as f64),
        }
    }

    /// On which scale the values are ordered; `None` for choices of texts and the like, which have no order.
    #[must_use]
    pub fn order(&self) -> Option<Scale> {
        let values = match self {
            Self::Integer { scale, .. } | Self::Float { scale, .. } => return Some(*scale),
            Self::Choice { values } => values,
        };
        let mut numbers: Vec<f64> = values.iter().map(Value::as_f64).collect::<Option<_>>()?;
        numbers.sort_by(f64::total_cmp);
        // .0001, .001, .01 are evenly spaced by ratio: of both scales the one with the more even gaps is meant.
        let unevenness = |scale: Scale| {
            let gaps: Vec<f64> = numbers.windows(2).map(|pair| scale.forward(pair[1]) - scale.forward(pair[0])).collect();
            let (least, greatest) = extremes(&gaps);
            greatest / least
        };
        let ratios = numbers.len() > 2 && numbers[0] > 0.0 && unevenness(Scale::Log) < unevenness(Scale::Linear);
        Some(if ratios { Scale::Log } else { Scale::Linear })
    }

    /// Reads a dimension's declaration; `field` is its name in messages.
    pub(super) fn declared(declaration: &Value, field: &str) -> AppResult<Self> {
        let object = declaration
            .as_object()
            .ok_or_else(|| AppError::invalid(field, r#"expected an object such as {"type":"integer","min":16,"max":512,"step":16}"#))?;
        let reader = Reader { object, field };
        let (dimension, keys): (Self, &[&str]) = match object.get("type").and_then(Value::as_str) {
            Some("integer") => (reader.integer()?, &["type", "min", "max", "step", "scale"]),
            Some("float") => (reader.float()?, &["type", "min", "max", "step", "scale"]),
            Some("choice") => (reader.choice()?, &["type", "values"]),
            _ => return Err(AppError::invalid(format!("{field}.type"), "expected \"integer\", \"float\" or \"choice\"")),
        };
        match object.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(unknown) => {
                Err(AppError::invalid(format!("{field}.{unknown}"), format!("there is no such key; there are {}", keys.join(", "))))
            }
            None => Ok(dimension),
        }
    }
}

/// At most so many choices in one dimension.
const CHOICES: usize = 10_000;

struct Reader<'a> {
    object: &'a Map<String, Value>,
    field: &'a str,
}

impl Reader<'_> {
    fn fault(&self, key: &str, reason: &str) -> AppError {
        AppError::invalid(format!("{}.{key}", self.field), reason)
    }

    fn integer(&self) -> AppResult<Dimension> {
        let number = |key: &str| match self.object.get(key) {
            Some(value) => whole(value).map(Some).ok_or_else(|| self.fault(key, "expected a whole number")),
            None => Ok(None),
        };
        let min = number("min")?.ok_or_else(|| self.fault("min", "expected a whole number"))?;
        let max = number("max")?.ok_or_else(|| self.fault("max", "expected a whole number"))?;
        let step = number("step")?.unwrap_or(1);
        let scale = self.scale(min as f64)?;
        if max < min {
            return Err(self.fault("max", "expected at least min"));
        }
        if step < 1 {
            return Err(self.fault("step", "expected 1 or more"));
        }
        if i128::from(max) - i128::from(min) >= 1 << 53 {
            return Err(self.fault("max", "expected less than 2^53 above min"));
        }
        Ok(Dimension::Integer { min, max, step, scale })
    }

    fn float(&self) -> AppResult<Dimension> {
        let number = |key: &str| match self.object.get(key) {
            Some(value) => value.as_f64().filter(|value| value.is_finite()).map(Some).ok_or_else(|| self.fault(key, "expected a number")),
            None => Ok(None),
        };
        let min = number("min")?.ok_or_else(|| self.fault("min", "expected a number"))?;
        let max = number("max")?.ok_or_else(|| self.fault("max", "expected a number"))?;
        let step = number("step")?;
        let scale = self.scale(min)?;
        if max <= min || !(max - min).is_finite() {
            return Err(self.fault("max", "expected more than min"));
        }
        if step.is_some_and(|step| step <= 0.0 || (max - min) / step > 1e9) {
            return Err(self.fault("step", "expected more than 0, and at most a thousand million steps"));
        }
        Ok(Dimension::Float { min, max, step, scale })
    }

    fn scale(&self, min: f64) -> AppResult<Scale> {
        match self.object.get("scale").map(Value::as_str) {
            None | Some(Some("linear")) => Ok(Scale::Linear),
            Some(Some("log")) if min > 0.0 => Ok(Scale::Log),
            Some(Some("log")) => Err(self.fault("scale", "a log scale needs a min above 0")),
            Some(_) => Err(self.fault("scale", "expected \"linear\" or \"log\"")),
        }
    }

    fn choice(&self) -> AppResult<Dimension> {
        let Some(Value::Array(values)) = self.object.get("values") else {
            return Err(self.fault("values", "expected a list of numbers, texts or truth values"));
        };
        if values.is_empty() || values.len() > CHOICES {
            return Err(self.fault("values", &format!("expected 1 to {CHOICES} values")));
        }
        if values.iter().any(|value| value.is_null() || value.is_array() || value.is_object()) {
            return Err(self.fault("values", "expected numbers, texts or truth values only"));
        }
        if let Some(twice) = (1..values.len()).find(|&index| values[..index].iter().any(|earlier| same(earlier, &values[index]))) {
            return Err(self.fault("values", &format!("{} is given twice", values[twice])));
        }
        Ok(Dimension::Choice { values: values.clone() })
    }
}

/// A float with nine significant digits: it reads well, and every JSON reader gives it back to the last bit, which a resumed
/// study needs.
fn float(value: f64, min: f64, max: f64) -> Value {
    let rounded: f64 = format!("{value:.8e}").parse().unwrap_or(value);
    Number::from_f64(rounded.clamp(min, max)).map_or(Value::Null, Value::Number)
}

/// Equal as values: 1 and 1.0 are, and so are two floats of which one went through a file.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-9 * one.abs().max(other.abs()),
            _ => false,
        },
        _ => one == other,
    }
}

/// The value as a whole number, where it is one.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9e15).map(|value| value as i64))
}

fn i128_to_i64(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn extremes(numbers: &[f64]) -> (f64, f64) {
    numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), &number| (least.min(number), greatest.max(number)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dimension(declaration: &Value) -> Dimension {
        Dimension::declared(declaration, "space.x").unwrap()
    }

    #[test]
    fn integers_step_from_min_to_at_most_max() {
        let units = dimension(&json!({"type": "integer", "min": 16, "max": 512, "step": 16}));
        assert_eq!(units.levels(), Some(32));
        assert_eq!([units.level(0), units.level(1), units.level(31), units.level(99)], [json!(16), json!(32), json!(512), json!(512)]);
        assert_eq!(units.index(&json!(48)), Some(2));
        assert_eq!(units.index(&json!(48.0)), Some(2));
        for foreign in [json!(40), json!(0), json!(528), json!(-16), json!("48"), json!(48.5)] {
            assert_eq!(units.index(&foreign), None, "{foreign}");
        }
        assert_eq!(units.place(&json!(264)), Some(0.5));
        let uneven = dimension(&json!({"type": "integer", "min": 1, "max": 10, "step": 4}));
        assert_eq!((uneven.levels(), uneven.level(2)), (Some(3), json!(9)));
        let one = dimension(&json!({"type": "integer", "min": 7, "max": 7}));
        assert_eq!((one.levels(), one.place(&json!(7)), one.value_at(0.9)), (Some(1), Some(0.5), json!(7)));
        let negative = dimension(&json!({"type": "integer", "min": -3, "max": 3, "step": 2}));
        assert_eq!((negative.levels(), negative.index(&json!(-4)), negative.index(&json!(-1))), (Some(4), None, Some(1)));
    }

    #[test]
    fn floats_lie_on_their_scale() {
        let rate = dimension(&json!({"type": "float", "min": 0.0001, "max": 0.01, "scale": "log"}));
        assert_eq!(rate.levels(), None);
        assert_eq!(rate.value_at(0.5), json!(0.001));
        assert_eq!([rate.value_at(0.0), rate.value_at(1.0)], [json!(0.0001), json!(0.01)]);
        assert!((rate.place(&json!(0.001)).unwrap() - 0.5).abs() < 1e-12);
        assert!(rate.contains(&json!(0.005)) && !rate.contains(&json!(0.02)));
        let dropout = dimension(&json!({"type": "float", "min": 0, "max": 1, "step": 0.1}));
        assert_eq!((dropout.levels(), dropout.level(3), dropout.level(10)), (Some(11), json!(0.3), json!(1.0)));
        assert_eq!((dropout.index(&json!(0.7)), dropout.index(&json!(0.75))), (Some(7), None));
    }

    #[test]
    fn choices_of_numbers_keep_their_order_and_spacing() {
        let rates = dimension(&json!({"type": "choice", "values": [0.0001, 0.0005, 0.001, 0.005, 0.01]}));
        assert_eq!(rates.order(), Some(Scale::Log));
        assert!((rates.place(&json!(0.001)).unwrap() - 0.5).abs() < 1e-12);
        // log10 of 5 is 0.69897: a share of 0.34949 of two decades.
        assert!((rates.place(&json!(0.0005)).unwrap() - 0.349_485).abs() < 1e-6);
        let evenly = dimension(&json!({"type": "choice", "values": [3, 1, 2]}));
        assert_eq!((evenly.order(), evenly.place(&json!(2)), evenly.index(&json!(2))), (Some(Scale::Linear), Some(0.5), Some(2)));
        let names = dimension(&json!({"type": "choice", "values": ["relu", "tanh", true]}));
        assert_eq!((names.order(), names.place(&json!("tanh")), names.index(&json!("gelu"))), (None, Some(1.0), None));
    }

    #[test]
    fn equal_shares_go_to_values_that_are_counted() {
        let rates = dimension(&json!({"type": "choice", "values": ["a", "b", "c", "d"]}));
        assert_eq!([0.0, 0.24, 0.26, 0.99, 1.0].map(|share| rates.value_at(share)), ["a", "a", "b", "d", "d"].map(Value::from));
        let width = dimension(&json!({"type": "integer", "min": 1, "max": 1024, "scale": "log"}));
        assert_eq!([0.0, 0.5, 1.0].map(|share| width.value_at(share)), [json!(1), json!(32), json!(1024)]);
        assert_eq!(rates.share(&json!("b")), Some(0.375));
        for (dimension, value) in [(&rates, json!("c")), (&width, json!(37))] {
            assert_eq!(dimension.value_at(dimension.share(&value).unwrap()), value);
        }
    }

    #[test]
    fn a_faulty_declaration_is_answered_with_its_field() {
        for (declaration, field) in [
            (json!(3), "space.x"),
            (json!({"type": "real"}), "space.x.type"),
            (json!({"type": "integer", "min": 1}), "space.x.max"),
            (json!({"type": "integer", "min": 1.5, "max": 2}), "space.x.min"),
            (json!({"type": "integer", "min": 3, "max": 2}), "space.x.max"),
            (json!({"type": "integer", "min": 1, "max": 2, "step": 0}), "space.x.step"),
            (json!({"type": "integer", "min": 1, "max": 2, "stop": 1}), "space.x.stop"),
            (json!({"type": "integer", "min": i64::MIN, "max": i64::MAX}), "space.x.max"),
            (json!({"type": "integer", "min": 0, "max": 2, "scale": "log"}), "space.x.scale"),
            (json!({"type": "float", "min": 1, "max": 1}), "space.x.max"),
            (json!({"type": "float", "min": -1e308, "max": 1e308}), "space.x.max"),
            (json!({"type": "float", "min": 0, "max": 1, "step": -0.1}), "space.x.step"),
            (json!({"type": "float", "min": 0, "max": 1, "scale": "cubic"}), "space.x.scale"),
            (json!({"type": "choice", "values": []}), "space.x.values"),
            (json!({"type": "choice", "values": [1, 1.0]}), "space.x.values"),
            (json!({"type": "choice", "values": [[1]]}), "space.x.values"),
        ] {
            match Dimension::declared(&declaration, "space.x") {
                Err(AppError::Invalid { field: named, .. }) => assert_eq!(named, field, "{declaration}"),
                other => panic!("{declaration}: {other:?}"),
            }
        }
    }
}
