import CKernels
import Testing

@Suite struct DispatchTests {
    @Test func portableIsAlwaysThere() {
        #expect(tessera_kernels_named("portable") == tessera_kernels_portable())
        #expect(String(cString: tessera_kernels_portable().pointee.name) == "portable")
    }

    @Test func unknownNameIsRefused() {
        #expect(tessera_kernels_named("mmx") == nil)
        #expect(tessera_kernels_named("") == nil)
    }

    @Test(arguments: Variant.available)
    func tablesAnswerToTheirNames(variant: Variant) {
        #expect(String(cString: variant.kernels.name) == variant.name)
    }

    @Test func bestIsTheFastestAvailable() {
        let best = tessera_kernels_best()
        #expect(best == tessera_kernels_best())
        #expect(String(cString: best.pointee.name) == Variant.available.last?.name)
    }

    @Test func bestIsTheSameFromManyTasks() async {
        let first = UInt(bitPattern: tessera_kernels_best())
        await withTaskGroup(of: UInt.self) { group in
            for _ in 0..<32 { group.addTask { UInt(bitPattern: tessera_kernels_best()) } }
            for await address in group { #expect(address == first) }
        }
    }
}
