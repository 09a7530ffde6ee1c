import Tensors

/// The fit of one group of weights by alternation: scales by weighted least squares for given trits, then for every
/// weight the best of the 3^K sums for given scales.
struct TritPlaneGroup {
    let planes: Int
    /// Whether every plane's scale is three times the next one's, so that the sums are evenly spaced.
    let tied: Bool
    /// The sums of the scales that were looked at last.
    private var sums: TritSums
    /// The combination of every weight, as a number of `sums`.
    private var chosen: [Int]
    /// The numbers of the group's weights, their weights in ascending order.
    private var ascending: [Int] = []
    /// Of the weights that have chosen a combination: sums of importance, and of importance times weight.
    private var mass: [Double], moment: [Double]

    /// Scales whose largest change is a smaller share of the largest scale are settled.
    static let tolerance: Float = 1e-4
    static let sweepLimit = 50

    init(planes: Int, groupSize: Int, tied: Bool = false) {
        self.planes = planes
        self.tied = tied
        sums = TritSums(planes: planes)
        chosen = Array(repeating: 0, count: groupSize)
        mass = Array(repeating: 0, count: sums.count)
        moment = mass
    }

    struct Result {
        /// Exactly representable in binary16.
        var scales: [Float]
        var error: Double
    }

    /// Fits `weights` and leaves their trits to be read by `trit`. The best of several starts, because the alternation
    /// stops at the first local optimum: all trits the sign of the weight (the method's own), and scales each a half or
    /// a quarter (tied: a third) of the one before, their sum up to the largest weight.
    mutating func fit(_ weights: ArraySlice<Float>, importance: ArraySlice<Float>) -> Result {
        let largest = weights.reduce(Float(0)) { max($0, abs($1)) }
        guard largest > 0 else {
            for index in chosen.indices { chosen[index] = 0 }
            return Result(scales: Array(repeating: 0, count: planes), error: 0)
        }
        // Unweighted where no input matters.
        let importance =
            importance.contains { $0 > 0 } ? importance : ArraySlice(repeating: 1, count: weights.count)
        var starts: [[Float]?] = [nil]
        for ratio: Float in tied ? [3] : planes == 1 ? [1] : [2, 4] {
            for width: Float in [0.65, 0.8, 1] {
                var scales: [Float] = [1]
                for _ in 1..<planes { scales.insert(scales[0] * ratio, at: 0) }
                let total = scales.reduce(0, +)
                starts.append(scales.map { $0 * width * largest / total })
            }
        }
        ascending = weights.indices.sorted { (weights[$0], $0) < (weights[$1], $1) }.map { $0 - weights.startIndex }
        var best: Result?
        var bestChosen = chosen
        for start in starts {
            let result = alternate(weights, importance, from: start)
            if result.error < best?.error ?? .infinity {
                best = result
                bestChosen = chosen
            }
        }
        chosen = bestChosen
        return best ?? Result(scales: Array(repeating: 0, count: planes), error: 0)
    }

    /// The trit of a weight of the last group that was fitted.
    func trit(plane: Int, of index: Int) -> Int8 { sums.trit(plane: plane, combination: chosen[index]) }

    /// - Parameter start: scales; nil starts from signs.
    private mutating func alternate(
        _ weights: ArraySlice<Float>, _ importance: ArraySlice<Float>, from start: [Float]?
    ) -> Result {
        if let start {
            _ = choose(weights, importance, scales: start)
        } else {
            let (positive, negative) = (sums.combination(ofAll: 1), sums.combination(ofAll: -1))
            for (index, weight) in weights.enumerated() {
                chosen[index] = weight > 0 ? positive : weight < 0 ? negative : 0
            }
        }
        var scales = start ?? Array(repeating: 0, count: planes)
        for _ in 0..<Self.sweepLimit {
            let next = solve(weights, importance)
            let change = zip(scales, next).map { abs($0 - $1) }.max() ?? 0
            scales = next
            _ = choose(weights, importance, scales: scales)
            if change <= Self.tolerance * (scales.map(abs).max() ?? 0) { break }
        }
        scales = rounded(scales)
        let error = choose(weights, importance, scales: scales)
        return Result(scales: scales, error: error)
    }

    /// To binary16; tied, the last scale to so few bits that its multiples by powers of three are exact too.
    private func rounded(_ scales: [Float]) -> [Float] {
        guard tied, let last = scales.last else { return scales.map(Precision.f16.rounded) }
        // Of binary16's 11 significant bits those that powers of three up to 3^(K-1) leave free.
        let largest = Int(Self.multiple(of: 0, planes: planes))
        let used = planes == 1 ? 0 : Int.bitWidth - largest.leadingZeroBitCount
        let step = max(abs(last).binade / Float(1 << (10 - used)), 0x1p-24)
        let exact = (last / step).rounded() * step
        return (0..<planes).map { exact * Self.multiple(of: $0, planes: planes) }
    }

    /// 3^(K-1-k): what a tied plane's scale is of the last one's.
    private static func multiple(of plane: Int, planes: Int) -> Float {
        (plane + 1..<max(planes, plane + 1)).reduce(Float(1)) { product, _ in 3 * product }
    }

    /// The nearest sum of every weight; the weighted squared error.
    private mutating func choose(
        _ weights: ArraySlice<Float>, _ importance: ArraySlice<Float>, scales: [Float]
    ) -> Double {
        sums.setScales(scales)
        var error = 0.0
        let (first, firstImportance) = (weights.startIndex, importance.startIndex)
        sums.forNearest(of: weights, inOrder: ascending) { place, nearest in
            let distance = Double(abs(weights[first + place] - sums.values[nearest]))
            chosen[place] = nearest
            error += Double(importance[firstImportance + place]) * distance * distance
        }
        return error
    }

    /// The best scales for the chosen trits: (A + lambda I) alpha = b, lambda from 1e-8 of the mean of A's diagonal
    /// upwards by tens until no pivot is smaller than 1e-6 of the largest.
    private mutating func solve(_ weights: ArraySlice<Float>, _ importance: ArraySlice<Float>) -> [Float] {
        for combination in mass.indices { (mass[combination], moment[combination]) = (0, 0) }
        let (first, firstImportance) = (weights.startIndex, importance.startIndex)
        for place in 0..<weights.count {
            let share = Double(importance[firstImportance + place])
            mass[chosen[place]] += share
            moment[chosen[place]] += share * Double(weights[first + place])
        }
        let (a, b) = sums.normalEquations(mass: mass, moment: moment)
        if tied {
            let multiples = (0..<planes).map { Double(Self.multiple(of: $0, planes: planes)) }
            var (curvature, slope) = (0.0, 0.0)
            for i in 0..<planes {
                slope += multiples[i] * b[i]
                for j in 0..<planes { curvature += multiples[i] * a[i * planes + j] * multiples[j] }
            }
            return multiples.map { curvature > 0 ? Float($0 * slope / curvature) : 0 }
        }
        let mean = (0..<planes).reduce(0) { $0 + a[$1 * (planes + 1)] } / Double(planes)
        guard mean > 0 else { return Array(repeating: 0, count: planes) }
        var ridge = 1e-8
        while ridge < 1 {
            if let solution = Self.solve(a, b, ridge: ridge * mean) { return solution.map { Float($0) } }
            ridge *= 10
        }
        return (Self.solve(a, b, ridge: mean) ?? b.map { $0 / (2 * mean) }).map { Float($0) }
    }

    /// Elimination without pivoting, which a positive definite matrix does not need; nil when it is too near singular.
    /// - Parameter a: row after row.
    private static func solve(_ a: [Double], _ b: [Double], ridge: Double) -> [Double]? {
        var (a, b) = (a, b)
        let size = b.count
        var largest = 0.0
        for i in 0..<size {
            a[i * size + i] += ridge
            largest = max(largest, a[i * size + i])
        }
        for i in 0..<size {
            guard a[i * size + i] > 1e-6 * largest else { return nil }
            for j in i + 1..<max(size, i + 1) {
                let factor = a[j * size + i] / a[i * size + i]
                for k in i..<size { a[j * size + k] -= factor * a[i * size + k] }
                b[j] -= factor * b[i]
            }
        }
        for i in (0..<size).reversed() {
            for j in i + 1..<max(size, i + 1) { b[i] -= a[i * size + j] * b[j] }
            b[i] /= a[i * size + i]
        }
        return b
    }
}
