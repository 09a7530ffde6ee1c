/// What is tried in one walk through the model, first layer to last.
struct RecoveryTrial: Sendable {
    enum Matrices: Sendable {
        case kept
        /// Fitted anew in the same form, to the outputs that are this share of the way from those of the changed inputs to the
        /// dense model's.
        case fitted(share: Double)
        /// Least squares in what is continuous, toward the same.
        case adjusted(share: Double)
        /// Given low-rank corrections of these ranks.
        case corrected([String: Int])
    }

    /// In journals and notes.
    let name: String
    var matrices: Matrices
    /// Whether biases absorb the mean errors of outputs, and of the sums they are added to.
    var biases = false
    var norms = false
}
