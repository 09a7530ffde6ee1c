import COpenBLAS

