import SyncCore
import Testing

/// File systems keep their numbers, whatever device numbers they get.
@Suite("Numbers of file systems")
struct FileSystemNumbersTests {
    @Test func `the number is the device number at first sight, and stays`() {
        var numbers = FileSystemNumbers()
        #expect(numbers.assign("uuid:a", device: 2049) == 2049)
        #expect(numbers.assign("uuid:a", device: 2065) == 2049)
        #expect(FileSystemNumbers(["uuid:a": 2049]).number(of: "uuid:a") == 2049)
    }

    @Test func `two disks that exchange their device numbers keep their own`() {
        var numbers = FileSystemNumbers()
        let (a, b) = (numbers.assign("uuid:a", device: 2049), numbers.assign("uuid:b", device: 2065))
        #expect(numbers.assign("uuid:a", device: 2065) == a)
        #expect(numbers.assign("uuid:b", device: 2049) == b)
    }

    @Test func `another file system under a known device number gets another number, the same in every run`() {
        var one = FileSystemNumbers(["uuid:a": 2049])
        var other = one
        let number = one.assign("uuid:b", device: 2049)
        #expect(number != 2049)
        #expect(other.assign("uuid:b", device: 2049) == number)
    }

    @Test func `an assignment that was not saved is made again`() {
        var numbers = FileSystemNumbers()
        _ = numbers.assign("uuid:a", device: 7)
        numbers.remove("uuid:a")
        #expect(numbers.number(of: "uuid:a") == nil)
        #expect(numbers.assign("uuid:b", device: 7) == 7)
    }

    @Test func `no two names share a number`() {
        var numbers = FileSystemNumbers()
        let all = (0..<500).map { numbers.assign("uuid:\($0)", device: UInt64($0 % 7)) }
        #expect(Set(all).count == 500)
    }
}
