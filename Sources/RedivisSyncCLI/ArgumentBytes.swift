import ArgumentParser
import Glibc
import SyncCore
import SystemPackage

/// Arguments as bytes. A path may hold bytes that are no UTF-8, which a `String` cannot; such bytes travel through
/// the parser as scalars of the last private-use plane and come back as bytes in `PathArgument`.
enum ArgumentBytes {
    /// The first scalar that stands for a byte: U+10FF00 + byte.
    private static let base: UInt32 = 0x10FF00

    static func arguments() -> [String] {
        CommandLine.unsafeArgv.advanced(by: 1).texts.map(text(of:))
    }

    static func text(of bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isCarrier) {
            return text
        }
        var text = ""
        for byte in bytes {
            let scalar = byte < 0x80 ? Unicode.Scalar(byte) : Unicode.Scalar(base + UInt32(byte))
            if let scalar { text.unicodeScalars.append(scalar) }
        }
        return text
    }

    static func bytes(of text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if isCarrier(scalar) {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes.append(contentsOf: Array(String(scalar).utf8))
            }
        }
        return bytes
    }

    private static func isCarrier(_ scalar: Unicode.Scalar) -> Bool {
        (base...base + 0xFF).contains(scalar.value)
    }
}

extension UnsafeMutablePointer where Pointee == UnsafeMutablePointer<CChar>? {
    /// The strings of a NULL-terminated vector, as bytes.
    fileprivate var texts: [[UInt8]] {
        var texts: [[UInt8]] = []
        var entry = self
        while let text = entry.pointee {
            texts.append(Array(UnsafeRawBufferPointer(start: text, count: strlen(text))))
            entry = entry.advanced(by: 1)
        }
        return texts
    }
}

/// An absolute path, or one relative to the working directory, as bytes.
struct PathArgument: ExpressibleByArgument, Hashable {
    let bytes: [UInt8]

    init?(argument: String) {
        let bytes = ArgumentBytes.bytes(of: argument)
        guard !bytes.isEmpty, !bytes.contains(0) else { return nil }
        self.bytes = bytes
    }

    /// Absolute and without `.` and `..`, by its letters only: the file need not exist any more.
    var absolute: [UInt8] {
        let slash = UInt8(ascii: "/")
        var full = bytes
        if bytes.first != slash {
            full = Self.workingDirectory + [slash] + bytes
        }
        var components: [ArraySlice<UInt8>] = []
        for component in full.split(separator: slash) {
            if component.elementsEqual(".".utf8) { continue }
            if component.elementsEqual("..".utf8) {
                _ = components.popLast()
            } else {
                components.append(component)
            }
        }
        return components.isEmpty ? [slash] : components.reduce(into: []) { $0 += [slash] + $1 }
    }

    var path: FilePath { FilePath(bytes: bytes) }

    /// As it was typed, safe for a terminal.
    var printable: String { RelativePath.printable(bytes) }

    private static var workingDirectory: [UInt8] {
        guard let path = getcwd(nil, 0) else { return [] }
        defer { free(path) }
        return Array(UnsafeRawBufferPointer(start: path, count: strlen(path)))
    }
}

extension FilePath {
    /// Of bytes without a NUL.
    init(bytes: [UInt8]) {
        self = (bytes.filter { $0 != 0 } + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CInterop.PlatformChar.self) { characters in
                characters.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
            }
        }
    }
}
