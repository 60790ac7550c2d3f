import clock.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('domains', '0004_defaults'),
    ]

    operations = [
        migrations.CreateModel(
            name='FolderMove',
            fields=[
                ('domain', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='folder_move', serialize=False, to='domains.domain')),
                ('old_path', models.CharField(max_length=1024)),
                ('new_path', models.CharField(max_length=1024)),
                ('job_id', models.BigIntegerField(help_text='None: a command does it.', null=True)),
                ('begun_at', clock.fields.MomentField()),
            ],
        ),
    ]
