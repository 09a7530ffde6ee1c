import Analysis
import Testing

@Suite struct RankCorrelationTests {
    @Test func tiesShareTheirMeanRank() {
        #expect(RankCorrelation.ranks([10, 20, 20, 5, 20]) == [2, 4, 4, 1, 4])
        #expect(RankCorrelation.ranks([3, 3]) == [1.5, 1.5])
        #expect(RankCorrelation.ranks([]) == [])
    }

    @Test func handComputedCorrelations() {
        #expect(RankCorrelation.spearman([1, 2, 3, 4], [10, 200, 3000, 40000]) == 1)
        #expect(RankCorrelation.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == -1)
        // Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 (1 + 1 + 1 + 1) / (5 * 24) = 0.8.
        #expect(abs(RankCorrelation.spearman([1, 2, 3, 4, 5], [0.2, 0.1, 0.4, 0.3, 0.5]) - 0.8) < 1e-12)
        // Ranks 1 2.5 2.5 4 and 1 2 3 4: covariance 4.5, variances 4.5 and 5.
        #expect(
            abs(RankCorrelation.spearman([1, 2, 2, 3], [1, 2, 3, 4]) - 4.5 / (4.5 * 5).squareRoot()) < 1e-12)
    }

    @Test func constantSideHasNoCorrelation() {
        #expect(RankCorrelation.spearman([1, 1, 1], [1, 2, 3]).isNaN)
    }
}
