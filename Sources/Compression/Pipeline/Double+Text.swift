import Foundation

extension Double {
    /// Three significant digits, for notes and messages; the same in every locale.
    var shortened: String {
        if self == 0 { return "0" }
        guard isFinite else { return isNaN ? "not a number" : "infinite" }
        let digits = 2 - Int(log10(magnitude).rounded(.down))
        if digits > 8 || digits < -6 { return String(format: "%.2e", self) }
        return String(format: "%.\(max(0, digits))f", self)
    }

    func raised(to exponent: Double) -> Double { pow(self, exponent) }
}
