import CKernels
import Testing

@Test func portableDot() {
    let k = tessera_kernels_portable().pointee
    let a: [Float] = [1, 2, 3]
    #expect(k.dot(a, a, 3) == 14)
    #expect(String(cString: k.name) == "portable")
}
