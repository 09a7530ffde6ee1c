/// Every fitter there is with its default options, each registered here once.
public enum Fitters {
    public static let all: [any Fitter] = [
        TruncatedSVDFitter(),
        RandomizedSVDFitter(),
        ActivationSVDFitter(),
        BlockDiagonalFitter(),
        BlockShuffleFitter(),
        BlockDenseFitter(),
        MonarchFitter(),
        BLASTFitter(),
        BLASTGradientFitter(),
        QuantizedFitter(),
        NMMagnitudeFitter(),
        SparseMagnitudeFitter(),
        TritPlaneFitter(),
        FisherSVDFitter(),
        FeatureMimickingFitter(),
        ActivationEigenFitter(),
        InterpolativeFitter(),
        LDUFitter(),
        ToeplitzFitter(),
        BlockCirculantFitter(),
        KroneckerFitter(),
        TuckerFitter(),
        HouseholderFitter(),
        PermutedBlockDiagonalFitter(),
        BTTFitter(),
    ]

    public static var methods: [FittingMethod] { all.map(\.method) }

    /// The fitter of that name, nil when there is none.
    public static func fitter(named name: String) -> (any Fitter)? { all.first { $0.method.name == name } }
}
