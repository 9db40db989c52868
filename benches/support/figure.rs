//! How a figure is told: one line of JSON, read by `cargo xtask bench`.

/// One row of the table.
#[derive(Default)]
pub struct Figure {
    pub what: String,
    pub figure: String,
    pub spread: Option<String>,
    pub limit: Option<String>,
    pub ratio: Option<f64>,
    pub reach: Option<String>,
    pub counted: String,
}

impl Figure {
    /// Prints it.
    pub fn tell(&self) {
        let line = serde_json::json!({
            "figure": self.figure,
            "spread": self.spread,
            "limit": self.limit,
            "ratio": self.ratio.map(|ratio| format!("{ratio:.2}")),
            "reach": self.reach,
            "counted": self.counted,
        });
        let rest = line.to_string();
        println!("{{\"bench\":{},{}", serde_json::Value::from(self.what.as_str()), &rest[1..]);
    }
}

/// Lowest, median and highest of several measurements.
pub fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
