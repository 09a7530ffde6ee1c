import Benchmarking
import Testing

struct InterleavedTimingTests {
    @Test func contestantsTakeTurnsAndTheFirstOfARoundChanges() {
        var order: [Int] = []
        let timing = InterleavedTiming(contestants: 3, rounds: .exactly(2)) { contestant in
            order.append(contestant)
            return Double(contestant + 1)
        }
        #expect(order == [0, 1, 2, 0, 1, 2, 1, 2, 0])
        #expect(timing.seconds == [[1, 1], [2, 2], [3, 3]])
    }

    @Test func roundsEndWhenEnoughTimeWasMeasured() {
        func rounds(_ each: Double, least: Int = 3, most: Int = 10, seconds: Double) -> Int {
            InterleavedTiming(contestants: 2, rounds: .init(least: least, most: most, seconds: seconds)) {
                _ in each
            }
            .seconds[0].count
        }
        #expect(rounds(0.25, seconds: 1) == 4)
        #expect(rounds(8, seconds: 1) == 3)
        #expect(rounds(0.001, seconds: 1) == 10)
    }

    @Test func mediansQuartilesAndVerdicts() {
        var turn = 0
        let timing = InterleavedTiming(contestants: 2, rounds: .exactly(9)) { contestant in
            turn += 1
            return contestant == 0 ? 4 : 2 + Double(turn % 2) * 0.001
        }
        #expect(timing.time(0).median == 4)
        #expect(timing.rate(0, work: 8).median == 2)
        #expect(abs(timing.speedup(1).median - 2) < 0.01)
        #expect(timing.verdict(1) == .faster)
        #expect(timing.verdict(0, over: 1) == .slower)
        let few = InterleavedTiming(contestants: 2, rounds: .exactly(5)) { Double($0) + 1 }
        #expect(few.verdict(1) == .undecided)
        let spread = InterleavedTiming.Spread([3, 1, 2, 4])
        #expect((spread.lower, spread.median, spread.upper) == (1.75, 2.5, 3.25))
        #expect(spread.least == 1)
        #expect(InterleavedTiming.Spread([]).median.isNaN)
    }

    @Test func cacheSizesAreRead() {
        #expect(LastLevelCache.bytes("36608K\n") == 36608 << 10)
        #expect(LastLevelCache.bytes("32M") == 32 << 20)
        #expect(LastLevelCache.bytes("512") == 512)
        for wrong in ["", "K", "-1K", "12X", "99999999999999G"] {
            #expect(LastLevelCache.bytes(wrong) == nil)
        }
        #expect(LastLevelCache.byteCount > 0)
    }
}
