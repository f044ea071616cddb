# A key of 32 random bytes, made once and kept in a file that its stack alone
# may read.

variable "folder" {
  type        = string
  description = "Where the key is kept: a folder that lasts."
}

resource "terraform_data" "key" {
  input = "${var.folder}/signing.key"

  # What every POSIX shell has, and no more: od, tr and mv. Only a whole key
  # gets the name that it is looked for by.
  provisioner "local-exec" {
    command     = <<-SCRIPT
      set -eu
      umask 077
      mkdir -p -- "$(dirname -- "$FILE")"
      od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' > "$FILE.new"
      [ "$(wc -c < "$FILE.new")" -eq 64 ]
      mv -- "$FILE.new" "$FILE"
    SCRIPT
    environment = { FILE = self.input }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "rm -f -- \"$FILE\" \"$FILE.new\""
    environment = { FILE = self.output }
  }
}

output "key" {
  description = "64 hexadecimal digits."
  # What the resource puts out is known once its script has run, so that is when
  # the file is read. A plan to destroy it may come after the file is gone.
  value     = try(file(terraform_data.key.output), null)
  sensitive = true
}
