import StructuredMatrices
import Tensors

enum ZeroMatrix {
    static func dense(_ shape: MatrixShape) -> any StructuredMatrix {
        Dense(Matrix(rows: shape.rows, columns: shape.columns))
    }
}
